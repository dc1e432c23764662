from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from pipeline.analysis import what_if
from pipeline.media.reader import read_clip
from pipeline.models.encoder import Encoder, FrameFeatures


@pytest.fixture
def features() -> list[FrameFeatures]:
    """Six frames of a folder: nothing that moves."""
    return [FrameFeatures(k, 0.2 * k, np.full(4, k, np.float32)) for k in range(6)]


def read(encoder: Encoder, features: list[FrameFeatures], order: list[int]) -> list[int]:
    return [int(f.appearance[0]) for f in what_if.reorder(encoder, features, order)]


def test_orders(encoder, features):
    count = len(features)
    assert read(encoder, features, what_if.backwards(count)) == [5, 4, 3, 2, 1, 0]
    assert sorted(read(encoder, features, what_if.shuffled(count, 3))) == list(range(count))
    assert read(encoder, features, what_if.frozen(count)) == [0] * count
    assert read(encoder, features, what_if.drop_every_nth(count, 3)) == [0, 1, 3, 4]
    assert read(encoder, features, what_if.without_span(count, 1, 3)) == [0, 4, 5]
    with pytest.raises(ValueError, match="2 or more"):
        what_if.drop_every_nth(count, 1)


def test_a_place_keeps_its_time(encoder, features):
    moved = what_if.reorder(encoder, features, what_if.backwards(6))
    assert [f.time for f in moved] == pytest.approx([f.time for f in features])
    left = what_if.reorder(encoder, features, what_if.without_span(6, 0, 1))
    assert [f.index for f in left] == [2, 3, 4, 5]
    assert [f.time for f in left] == pytest.approx([0.4, 0.6, 0.8, 1.0])


def test_played_backwards_a_gap_stays_between_the_same_frames():
    times = [0.0, 0.2, 0.4, 9.0, 9.2]
    assert what_if.played_times(times, what_if.backwards(5)) == pytest.approx([0.0, 0.2, 8.8, 9.0, 9.2])
    assert what_if.played_times(times, what_if.frozen(5)) == pytest.approx(times)
    assert what_if.played_times(times, list(range(5))) == pytest.approx(times)


@pytest.fixture(scope="module")
def moving(encoder, bikes, concert) -> dict[str, tuple[FrameFeatures, ...]]:
    """A clip that is read whole, and one that is read in bursts of which the last is shorter."""
    bursts = encoder.encode_clip(read_clip(concert))[:-3]
    return {"whole": encoder.encode_clip(read_clip(bikes)), "bursts": bursts}


def motion(features: Sequence[FrameFeatures]) -> np.ndarray:
    return np.stack([frame.motion.features for frame in features])


def logits(features: Sequence[FrameFeatures]) -> np.ndarray:
    return np.stack([frame.motion.logits for frame in features])


@pytest.mark.parametrize("kind", ["whole", "bursts"])
def test_backwards_twice_is_the_clip_itself(encoder, moving, kind):
    clip = moving[kind]
    once = what_if.reorder(encoder, clip, what_if.backwards(len(clip)))
    twice = what_if.reorder(encoder, once, what_if.backwards(len(clip)))
    assert [f.time for f in twice] == pytest.approx([f.time for f in clip])
    np.testing.assert_array_equal(np.stack([f.appearance for f in twice]), np.stack([f.appearance for f in clip]))
    scale = np.abs(motion(clip)).max()
    np.testing.assert_allclose(motion(twice), motion(clip), atol=0.01 * scale)
    np.testing.assert_allclose(logits(twice), logits(clip), atol=0.01 * np.abs(logits(clip)).max())


@pytest.mark.parametrize("kind", ["whole", "bursts"])
def test_backwards_everything_moves_backwards(encoder, moving, kind):
    """The features are those of the reversed pictures, not the old ones in another order."""
    clip = moving[kind]
    played = what_if.reorder(encoder, clip, what_if.backwards(len(clip)))
    assert np.abs(motion(played) - motion(clip)[::-1]).max() > 0.1 * np.abs(motion(clip)).max()
    reversed_times = [clip[-1].time - frame.time for frame in clip[::-1]]
    motions, _ = encoder.video.read([frame.video_frame for frame in clip[::-1]], reversed_times)
    expected = np.stack([m.features for m in motions])
    np.testing.assert_allclose(motion(played), expected, atol=0.01 * np.abs(expected).max())


def test_the_clip_as_it_is_reads_the_same_again(encoder, moving):
    for clip in moving.values():
        again = what_if.reorder(encoder, clip, range(len(clip)))
        np.testing.assert_allclose(motion(again), motion(clip), atol=0.01 * np.abs(motion(clip)).max())


def test_frozen_frames_do_not_move(encoder, moving):
    """After its past is full of the same picture, the network says the same of every frame."""
    clip = moving["whole"]
    still = motion(what_if.reorder(encoder, clip, what_if.frozen(len(clip))))
    spread = np.abs(still[-10:] - still[-1]).max()
    assert spread < 0.02 * np.abs(still).max()
    assert np.abs(motion(clip)[-10:] - motion(clip)[-1]).max() > 5 * spread


def test_after_a_gap_the_past_is_not_known(encoder, moving):
    clip = moving["whole"]
    rest = what_if.reorder(encoder, clip, what_if.without_span(len(clip), 10, 19))
    alone = what_if.reorder(encoder, clip[20:], range(len(clip) - 20))
    np.testing.assert_allclose(motion(rest)[10:], motion(alone), atol=0.01 * np.abs(motion(alone)).max())


def test_difference_is_a_distance():
    a, b = np.array([0.5, 0.5, 0.0]), np.array([0.0, 0.5, 0.5])
    assert what_if.total_variation(a, a) == 0
    assert what_if.total_variation(a, b) == what_if.total_variation(b, a) == pytest.approx(0.5)
