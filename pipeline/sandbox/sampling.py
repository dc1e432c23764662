"""Evenly spaced frames of a video, in one pass over its pictures."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pipeline.canvas import fit_to_canvas
from pipeline.limits import MAX_RATE, MAX_SECONDS
from pipeline.sandbox.messages import ClipEnd, Frame, MediaError
from pipeline.sandbox.pictures import make_frame

STRIDE = 0.2  # seconds between the frames of a short clip
MOTION_GAP = 0.2  # seconds from a frame to its later image
TIME_SLACK = 0.001  # seconds: timestamps are rounded to milliseconds in many containers


class PictureReader(Protocol):
    """Decodes the pictures of a file, one after the other."""

    size: tuple[int, int]  # width and height as the file claims, upright, in square pixels

    def times(self) -> Iterator[float]:
        """Decodes picture after picture; yields each one's time in seconds from the first, always rising."""

    def picture(self) -> np.ndarray | None:
        """The picture that was decoded last, (H, W, 3) uint8 BGR: upright, of preview size, in square pixels.
        None if there is nothing to show."""


@dataclass
class Candidate:
    """A picture that may become a frame: the first of its ``slot``, an interval of STRIDE seconds counted from 0."""

    slot: int
    time: float
    picture: np.ndarray  # BGR, of preview size
    later_image: np.ndarray | None = None  # BGR, on the canvas
    needs_later: bool = True  # whether the later image can still come


def sample_frames(
    reader: PictureReader, name: str, max_steps: int, stride_exponent: int | None
) -> Generator[Frame | ClipEnd, None, int]:
    """One pass over the pictures: evenly spaced frames, one for each 2^stride_exponent slots, and the ClipEnd.

    ``stride_exponent`` follows from the claimed duration. None: no duration is claimed; then no frame is yielded before
    the end. Returns the right exponent. If the clip was longer than claimed, some yielded frames are not in the final
    clip. If it was so much shorter that a smaller exponent is right, no ClipEnd is yielded, and another pass with the
    right exponent is needed. Raises MediaError if there is no picture.
    """
    candidates: list[Candidate] = []
    exponent, count, time, slots = stride_exponent or 0, 0, 0.0, SlotCounter()
    for time in reader.times():
        slot = int((time + TIME_SLACK) / STRIDE)
        last = candidates[-1] if candidates else None
        # A later image that comes a little early (at 12 frames a second, say) is better than none.
        gap = (0.75 if slots.add(slot) else 1) * MOTION_GAP
        is_due = last is None or slot >> exponent > last.slot >> exponent
        is_later = last is not None and last.needs_later and time >= last.time + gap - TIME_SLACK
        picture = reader.picture() if is_due or is_later else None
        if picture is None:
            continue
        if last is not None and is_later and picture.shape == last.picture.shape:
            last.later_image = fit_to_canvas(picture)
        if last is not None and last.needs_later:
            last.needs_later = False
            if stride_exponent is not None:
                yield _frame(last, count)
                count += 1
        if is_due:
            candidates.append(Candidate(slot, time, picture))
        while len(candidates) > max_steps:
            exponent += 1
            candidates = thinned(candidates, exponent)
    if not candidates:
        raise MediaError(f"{name} holds no picture that can be decoded.")
    if exponent > slots.stride_exponent(max_steps):
        return slots.stride_exponent(max_steps)
    remaining = candidates if stride_exponent is None else [c for c in candidates[-1:] if c.needs_later]
    for index, candidate in enumerate(remaining, count):
        yield _frame(candidate, index)
    yield ClipEnd(time, tuple(candidate.time for candidate in candidates))
    return exponent


def thinned(candidates: list[Candidate], exponent: int) -> list[Candidate]:
    """The first candidate of each interval of 2^exponent slots."""
    intervals = [candidate.slot >> exponent for candidate in candidates]
    return [c for k, c in enumerate(candidates) if k == 0 or intervals[k] > intervals[k - 1]]


class SlotCounter:
    """Counts, for every k, the intervals of 2^k slots that hold a picture."""

    def __init__(self) -> None:
        self._last, self._counts = -1, [0] * 24

    def add(self, slot: int) -> bool:
        """Count a slot; slots come in rising order. Returns whether it is a new one."""
        new = slot > self._last
        for k in range(len(self._counts)):
            if slot >> k == self._last >> k:
                break  # for every larger k both lie in one interval, too
            self._counts[k] += 1
        self._last = slot
        return new

    def stride_exponent(self, max_steps: int) -> int:
        """The smallest k with at most ``max_steps`` intervals."""
        return next(k for k, count in enumerate(self._counts) if count <= max_steps)


def stride_exponent_for(seconds: float, max_steps: int) -> int | None:
    """The stride exponent of a clip of this duration; None if the duration is unknown (0)."""
    if seconds <= 0:
        return None
    last = int((seconds + TIME_SLACK) / STRIDE)
    return max(0, (last // max_steps).bit_length())


def _frame(candidate: Candidate, index: int) -> Frame:
    return make_frame(index, candidate.time, candidate.picture, candidate.later_image)


def rising_times(stamps: Iterable[float | None], rate: float) -> Iterator[float]:
    """Time stamps of a file in seconds -> seconds from the first picture, always rising.

    A missing or broken stamp is replaced by the time that follows from ``rate``, in pictures a second, or from 25
    pictures a second if the rate makes no sense.
    """
    tick = 1.0 / rate if 1.0 <= rate <= MAX_RATE else 0.04
    first, last = None, -tick
    for stamp in stamps:
        first = stamp if first is None else first
        time = last + tick if stamp is None or first is None else stamp - first
        if not last < time < last + 3600.0:
            time = last + tick
        if time > MAX_SECONDS:
            return
        yield time
        last = time
