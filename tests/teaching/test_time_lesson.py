from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline.teaching.examples import TeachingError
from pipeline.teaching.time_lesson import EPOCHS, MeanReader, backwards_pieces, directions, lesson, other_pieces


def drifting(count: int = 30, seed: int = 0) -> np.ndarray:
    """Frames of a clip in which something moves one way."""
    rng = np.random.default_rng(seed)
    return (np.linspace(0, 3, count)[:, None] * rng.normal(size=200) + 0.3 * rng.normal(size=(count, 200))).astype(
        np.float32
    )


def test_the_first_reader_sees_nothing_of_the_direction():
    """Its inputs forwards and backwards are the same bit by bit, so its answers are."""
    features, pieces = drifting(), backwards_pieces(30, 0)
    rows = directions(features, pieces.frames.unique().tolist())
    forwards, backwards = pieces.frames.chunk(2)
    assert torch.equal(forwards, backwards.flip(1))
    assert torch.equal(*(rows[part.sort(1).values].mean(1) for part in (forwards, backwards)))
    answers = MeanReader()(rows, pieces.frames)
    assert torch.equal(*answers.chunk(2))


def test_no_frame_is_on_both_sides():
    for learned, asked in [
        [backwards_pieces(30, first) for first in (0, 1)],
        [other_pieces(30, 20, first) for first in (0, 1)],
    ]:
        assert not set(learned.frames.unique().tolist()) & set(asked.frames.unique().tolist())
        assert set(learned.label.tolist()) == {0, 1}


def test_the_mean_stays_at_chance_and_the_recurrent_reader_learns_the_direction():
    epochs = list(lesson(drifting()))
    assert len(epochs) == EPOCHS + 1
    assert all(epoch.mean.asked == epoch.mean.learned == 0.5 for epoch in epochs)
    assert epochs[-1].recurrent.asked > 0.9
    assert epochs[-1].recurrent.confusion.sum() > 4


def test_where_order_does_not_matter_both_learn():
    *_, last = lesson(drifting(seed=1), drifting(seed=2))
    assert last.mean.asked > 0.9
    assert last.recurrent.asked > 0.9


def test_a_clip_without_direction_teaches_nothing_to_either():
    noise = np.random.default_rng(0).normal(size=(40, 200)).astype(np.float32)
    *_, last = lesson(noise)
    assert last.mean.asked == 0.5
    assert last.recurrent.asked < 0.9


def test_the_same_clip_gives_the_same_lesson():
    one, other = (list(lesson(drifting()))[-1] for _ in range(2))
    assert one.recurrent.asked == other.recurrent.asked


def test_a_short_clip_is_one_sentence():
    with pytest.raises(TeachingError, match="at least"):
        next(lesson(drifting(5)))
