"""The frames that decided an answer, and operations on the memory."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.analysis.deciding_frames import Subsets, deciding_frames, in_words, without_frames
from pipeline.analysis.memory_edits import read_edited, steps_held, steps_until_settled
from pipeline.analysis.reading import read_features
from pipeline.media.reader import read_clip
from pipeline.media.samples import sample_data


@pytest.fixture(scope="module")
def joined(encoder, tmp_path_factory):
    """A clip of two scenes: the features of its frames, and its duration in seconds."""
    path = tmp_path_factory.mktemp("joined") / "clip.mp4"
    path.write_bytes(sample_data("two clips"))
    clip = read_clip(path)
    return encoder.encode_clip(clip), clip.duration


def test_all_frames_together_say_what_the_reading_says(lstm, encoder, joined):
    features, duration = joined
    everything = Subsets(lstm, encoder.video, features).probabilities(np.ones((2, len(features)), bool))
    last = read_features(lstm, features, duration).probabilities[-1]
    assert np.allclose(everything, last[None], atol=1e-3)


def test_without_the_frames_that_decided_another_label_leads(lstm, encoder, joined):
    features, duration = joined
    found = deciding_frames(lstm, encoder.video, features, duration)
    label = read_features(lstm, features, duration).prediction.label
    assert found is not None
    assert 0 < len(found.frames) < len(features)
    assert found.without.label != label
    assert without_frames(lstm, encoder.video, features, duration, found.frames) == found.without


def test_where_every_frame_is_the_same_none_decided(lstm, encoder, joined):
    features, duration = joined
    assert deciding_frames(lstm, None, [features[-1]] * 6, duration) is None
    assert deciding_frames(lstm, encoder.video, features[:1], duration) is None


@pytest.mark.parametrize(
    ("frames", "words"),
    [([2], "frame 3"), ([3, 4, 5], "frames 4 to 6"), ([0, 3, 4, 9], "frames 1, 4 to 5 and 10")],
)
def test_frames_are_named_as_a_reader_counts_them(frames, words):
    assert in_words(frames) == words


def test_after_a_cut_the_reading_is_that_of_the_rest_alone(lstm, encoder, joined):
    features, _ = joined
    cut = read_edited(lstm, encoder.video, features, [20])
    rest = read_edited(lstm, encoder.video, features[20:])
    assert np.allclose(cut.probabilities[20:], rest.probabilities, atol=1e-5)
    assert np.allclose(cut.probabilities[:20], read_edited(lstm, encoder.video, features).probabilities[:20], atol=1e-5)
    assert [step.index for step in cut.steps] == list(range(len(features)))


def test_steps_are_counted_from_the_border(lstm, encoder, joined):
    features, _ = joined
    reading = read_edited(lstm, encoder.video, features)
    leading = reading.leading
    for border in (5, 20):
        held = steps_held(reading, border)
        assert leading[border : border + held] == [leading[border - 1]] * held
        assert border + held == len(leading) or leading[border + held] != leading[border - 1]
        settled = border + steps_until_settled(reading, border) - 1
        assert set(leading[settled:]) <= {leading[-1]}
