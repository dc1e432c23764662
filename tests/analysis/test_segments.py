from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from pipeline.analysis.hedging import Answer
from pipeline.analysis.segments import Segment, by_themselves, merged, passage_predictions, passages, shot_boundaries
from pipeline.media.reader import read_clip
from pipeline.media.samples import CARPHONE, source_path
from pipeline.models.encoder import FrameFeatures
from pipeline.report.figure_data import segments_data


@pytest.fixture(scope="module")
def takes(encoder, bikes, concert) -> tuple[list[FrameFeatures], int]:
    """Two takes, one after the other, as an edited clip would hold them; and where the second begins."""
    first, second = (encoder.encode_clip(read_clip(path, 24)) for path in (bikes, concert))
    both = [replace(frame, index=k, time=0.2 * k) for k, frame in enumerate([*first[:6], *second[8:16]])]
    return list(encoder.with_motion(both)), 6


def test_the_cut_between_two_takes_is_found(takes):
    features, border = takes
    assert border in shot_boundaries(features)
    assert 0 not in shot_boundaries(features)


def test_a_montage_is_cut_where_its_scenes_change(encoder, bikes):
    """Seen by eye: five scenes, of which the later ones begin at these times, in seconds."""
    features = encoder.encode_clip(read_clip(bikes))
    cuts = [features[step].time for step in shot_boundaries(features)]
    assert cuts == pytest.approx([1.2, 3.2, 5.6, 7.6], abs=0.05)


def test_a_camera_that_shakes_is_no_cut(encoder):
    assert shot_boundaries(encoder.encode_clip(read_clip(source_path(CARPHONE)))) == []


def test_passages_cover_the_clip_and_end_at_cuts_and_gaps():
    times = [0.0, 0.2, 0.4, 0.6, *[7.0 + 0.2 * k for k in range(11)]]
    features = [FrameFeatures(k, time, np.zeros(1, np.float32)) for k, time in enumerate(times)]
    assert passages(features, [2]) == [(0, 2), (2, 4), (4, 12), (12, 15)]
    assert passages(features[:1], []) == [(0, 1)]


def test_after_a_cut_nothing_is_remembered(takes, lstm, encoder):
    features, border = takes
    track = passage_predictions(lstm, encoder.video, features, [border])
    alone = passage_predictions(lstm, encoder.video, features[border:], [])
    np.testing.assert_allclose(track[border:], alone, atol=1e-6)


def test_a_passage_is_read_as_a_clip_of_its_own(takes, lstm, encoder):
    """Also what the video encoder says so far is said of the passage, not of the clip before it."""
    features, border = takes
    passage = by_themselves(features[border:], encoder.video)
    assert np.abs(np.stack([f.motion.logits for f in passage])[0] - features[border].motion.logits).max() > 0.1
    first = encoder.video.classify(passage[0].motion.features[None])[0]
    np.testing.assert_allclose(passage[0].motion.logits, first, atol=1e-3)
    *_, last = lstm.predict(passage)
    track = passage_predictions(lstm, encoder.video, features, [border])
    np.testing.assert_array_equal(track[border:], [last.probabilities] * len(passage))


def test_pieces_cover_the_clip_and_tell_the_takes_apart(takes, lstm, encoder):
    features, border = takes
    found = segments_data(lstm, encoder.video, features, 0.2 * len(features), [])["pieces"]
    assert found[0][0] == 0.0
    assert found[-1][1] == pytest.approx(0.2 * len(features))
    assert all(one[1] == other[0] for one, other in pairwise(found))
    assert any(start == pytest.approx(0.2 * border) and cut for start, _, _, cut in found)
    assert found[-1][2]["label"] != found[0][2]["label"]


def test_merged_segments_can_be_read_and_cover_the_same_time():
    def segment(first: int, start: float, end: float, label: str) -> Segment:
        return Segment(first, first, start, end, Answer(label, 0.9, True))

    found = [
        segment(0, 0, 5, "singing"),
        segment(1, 5, 6, "dancing"),
        segment(2, 6, 12, "singing"),
        segment(3, 12, 13, "talking"),
        segment(4, 13, 30, "dancing"),
    ]
    rows = merged(found, 2.0)
    assert [(row.start, row.end, row.answer.label) for row in rows] == [(0, 12, "singing"), (12, 30, "dancing")]
    assert merged(found, 0.0) == found
    assert [row.end - row.start for row in merged(found, 100.0)] == [30]
