"""Which pictures of a video become frames: one rule for every length, whatever a header claims."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from pipeline.sandbox.messages import ClipEnd, Frame, MediaError
from pipeline.sandbox.sampling import BURST, SLOT, exponent_for, is_kept, sample_frames, slot_of


class GreyReader:
    """Pictures at these times; those of ``missing`` have nothing to show."""

    size = (16, 16)

    def __init__(self, times: np.ndarray, missing: frozenset[int] = frozenset()) -> None:
        self._times, self._missing, self._now = times, missing, -1

    def times(self) -> Iterator[float]:
        for now, time in enumerate(self._times.tolist()):
            self._now = now
            yield time

    def picture(self) -> np.ndarray | None:
        return None if self._now in self._missing else np.full((16, 16, 3), self._now % 256, np.uint8)


def sampled(times: np.ndarray, max_steps: int, claimed: float = 0.0) -> tuple[list[float], list[float], int]:
    """Passes over the pictures until one is complete -> the times yielded in the last pass, the final ones, and the
    number of passes."""
    exponent, passes = exponent_for(claimed, max_steps), 0
    while True:
        passes += 1
        sampling = sample_frames(GreyReader(times), "clip", max_steps, exponent)
        yielded: list[float] = []
        while True:
            try:
                message = next(sampling)
            except StopIteration as stop:
                exponent = stop.value
                break
            if isinstance(message, ClipEnd):
                return yielded, list(message.times), passes
            assert isinstance(message, Frame)
            yielded.append(message.time)


def wanted(times: np.ndarray, max_steps: int) -> list[float]:
    """The first picture of each slot that is kept, with as few bursts left out as can be: the rule, read backwards."""
    _, firsts = np.unique([slot_of(time) for time in times], return_index=True)
    for exponent in range(32):
        kept = [times[k] for k in firsts if slot_of(times[k]) // BURST % 2**exponent == 0]
        if len(kept) <= max_steps:
            return kept
    raise AssertionError("Some exponent is always large enough.")


def irregular(seconds: float, rate: float, seed: int) -> np.ndarray:
    gaps = np.random.default_rng(seed).exponential(1 / rate, round(seconds * rate)) + 0.001
    return np.concatenate([[0.0], gaps.cumsum()])


STREAMS = {
    "25 a second": np.arange(0, 40, 1 / 25),
    "one": np.array([0.0]),
    "just whole": np.arange(0, 64 * SLOT, SLOT),
    "just not": np.arange(0, 65 * SLOT, SLOT),
    "slow": np.arange(0, 300, 1.0),
    "slides": np.arange(0, 4000, 30.0),
    "irregular": irregular(90, 10, 0),
    "irregular and rare": irregular(900, 0.5, 1),
}


@pytest.mark.parametrize("max_steps", [8, 12, 64, 192])
@pytest.mark.parametrize("times", STREAMS.values(), ids=STREAMS.keys())
def test_the_frames_follow_the_rule_whatever_the_header_claims(times, max_steps):
    expected = wanted(times, max_steps)
    assert 1 <= len(expected) <= max_steps
    for claimed in (0.0, float(times[-1]), 0.3, float(times[-1]) / 3, 3 * float(times[-1]) + 1, 1e6):
        yielded, final, passes = sampled(times, max_steps, claimed)
        assert final == expected
        assert set(final) <= set(yielded)
        assert passes <= 2


def test_a_true_claim_needs_one_pass_and_gives_each_frame_once():
    for seconds in (3.0, 12.8, 13.0, 77.7, 600.0):
        times = np.arange(0, seconds, 1 / 25)
        yielded, final, passes = sampled(times, 64, float(times[-1]))
        assert (yielded, passes) == (final, 1)


def test_what_is_kept_of_a_longer_clip_is_kept_of_a_shorter_one():
    for exponent in range(6):
        slots = range(2000)
        assert {s for s in slots if is_kept(s, exponent + 1)} <= {s for s in slots if is_kept(s, exponent)}


@pytest.mark.parametrize("max_steps", [8, 12, 64, 192])
def test_the_claimed_duration_gives_the_exponent_of_such_a_clip(max_steps):
    for slots in range(1, 2500, 7):
        kept = [sum(is_kept(slot, exponent) for slot in range(slots)) for exponent in range(12)]
        right = next(k for k, count in enumerate(kept) if count <= max_steps)
        assert exponent_for((slots - 1) * SLOT + 0.05, max_steps) == right


def test_a_slot_whose_first_picture_is_missing_has_its_second():
    reader = GreyReader(np.arange(0, 2, 0.1), frozenset({0, 6}))
    *frames, end = sample_frames(reader, "clip", 64, None)
    assert [frame.time for frame in frames] == list(end.times)
    assert end.times[0] == pytest.approx(0.1)
    assert end.times[3] == pytest.approx(0.7)


def test_without_a_picture_there_is_no_clip():
    with pytest.raises(MediaError):
        list(sample_frames(GreyReader(np.arange(3.0), frozenset(range(3))), "clip", 64, None))
