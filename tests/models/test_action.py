from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline.analysis.reading import read_features
from pipeline.media.reader import read_clip
from pipeline.models.action import NO_ACTION, load_action
from pipeline.models.recurrent import CELLS
from pipeline.sandbox.messages import MediaError
from tests.sample_media import ISCC


@pytest.fixture(scope="module")
def bikes_features(encoder, bikes):
    return list(encoder.encode_clip(read_clip(bikes)))


@pytest.mark.parametrize("cell", CELLS)
def test_streaming_equals_batch(cell, bikes_features):
    """One frame at a time, at constant cost, says what the whole clip at once says."""
    model = load_action(cell)
    steps = list(model.predict(iter(bikes_features)))
    tensors = [
        torch.from_numpy(np.stack(rows))[None]
        for rows in (
            [frame.appearance for frame in bikes_features],
            [frame.motion.features for frame in bikes_features],
            [frame.motion.logits for frame in bikes_features],
        )
    ]
    with torch.inference_mode():
        logits, opinions = model.network(*tensors, torch.ones(1, len(bikes_features), dtype=torch.bool))
        expected = model.network.open_set(logits / model.temperatures[True], opinions)[0].exp().numpy()
    np.testing.assert_allclose(np.stack([s.probabilities for s in steps]), expected, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_steps_are_distributions_and_states_are_bounded(cell, bikes_features):
    model = load_action(cell)
    for frame, step in zip(bikes_features, model.predict(bikes_features), strict=True):
        assert (step.index, step.time) == (frame.index, frame.time)
        assert step.probabilities.sum() == pytest.approx(1, abs=1e-5)
        assert step.probabilities.shape == (len(model.labels),)
        assert np.abs(step.hidden).max() <= 1


def test_a_photo_is_read_without_motion(lstm, encoder, cat):
    """Where nothing moves, no weight is read from the state: the prediction leans on labels that images can tell."""
    (step,) = lstm.predict(encoder.encode_clip(read_clip(cat)))
    by_name = [lstm.labels.index(label) for label in (*lstm.image_labels, NO_ACTION)]
    assert step.probabilities[by_name].sum() > 0.5


def test_every_label_that_an_image_label_covers_has_it(lstm):
    for label in lstm.image_labels:
        assert lstm.image_label(label) == label
        for finer in lstm.finer.get(label, ()):
            assert lstm.image_label(finer) is not None
    without = {label for label in lstm.actions if lstm.image_label(label) is None}
    assert "clean and jerk" not in without  # "lifting weights" covers it
    assert "acting in play" in without  # learned from videos alone
    assert not without & {finer for label in lstm.image_labels for finer in lstm.finer.get(label, ())}


def test_the_stream_is_lazy(lstm, bikes_features):
    """An answer after the first frame does not wait for the second."""

    def frames():
        yield bikes_features[0]
        raise AssertionError("asked for a second frame")

    assert next(lstm.predict(frames())).index == 0


def test_a_prefix_is_read_as_the_beginning_of_the_whole(lstm, bikes_features):
    whole, part = list(lstm.predict(bikes_features)), list(lstm.predict(bikes_features[:4]))
    for a, b in zip(whole, part, strict=False):
        np.testing.assert_array_equal(a.probabilities, b.probabilities)


def test_the_inputs_that_are_shown_are_the_inputs_that_are_read(lstm, bikes_features):
    network = lstm.network
    with torch.inference_mode():
        hidden, _ = network.cell.scan(lstm.cell_inputs(bikes_features)[None])
    read = np.stack([step.hidden for step in lstm.predict(bikes_features)])
    np.testing.assert_allclose(hidden[0].numpy(), read, atol=1e-5)


def test_a_glance_knows_nothing_of_the_frames_before(lstm, bikes_features):
    together = lstm.per_frame_probabilities(bikes_features)
    alone = np.concatenate([lstm.per_frame_probabilities([frame]) for frame in bikes_features])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(together.sum(1), 1, atol=1e-5)


def test_one_clip_in_twenty_containers_has_one_meaning(lstm, encoder):
    """iscc-samples has the same minute of a concert in every container FFmpeg knows, some of it in poor quality.

    All but the gif, which is read too but holds only the first five seconds: the title of the show.
    """
    labels = {}
    for path in sorted((ISCC / "video").iterdir()):
        try:
            clip = read_clip(path)
        except MediaError:
            continue
        labels[path.suffix] = read_features(lstm, encoder.encode_clip(clip), clip.duration).prediction.label
    assert {".mp4", ".webm", ".mkv", ".avi", ".mov", ".wmv", ".flv", ".gif", ".mpeg", ".3gp"} <= set(labels)
    assert len(labels) >= 18
    del labels[".gif"]
    assert set(labels.values()) <= {"performing music", *lstm.finer["performing music"]}


def test_an_unknown_cell_is_named():
    with pytest.raises(KeyError, match="lstm"):
        load_action("transformer")
