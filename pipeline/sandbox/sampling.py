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

STRIDE = 0.2  # seconds between kept frames while a clip is short
MOTION_GAP = 0.2  # seconds from a frame to the later picture that shows where it moves
TIME_SLACK = 0.001  # seconds: timestamps are rounded to milliseconds in many containers


class PictureReader(Protocol):
    """Whoever decodes the pictures of a file, one after the other."""

    size: tuple[int, int]  # width and height as the file claims, upright, in square pixels

    def times(self) -> Iterator[float]:
        """Decode picture after picture; yields each one's time in seconds from the first, always rising."""

    def picture(self) -> np.ndarray | None:
        """The picture that was decoded last, (H, W, 3) uint8 BGR: upright, as large as the preview, in square pixels.
        None if there is nothing to show."""


@dataclass
class Candidate:
    """A picture on its way into the clip: the first in its ``slot``, a stretch of STRIDE seconds counted from 0."""

    slot: int
    time: float
    picture: np.ndarray  # BGR, as large as the preview
    later_image: np.ndarray | None = None  # BGR, on the canvas
    waits: bool = True  # for that


def sample_frames(
    reader: PictureReader, name: str, max_steps: int, stride_exponent: int | None
) -> Generator[Frame | ClipEnd, None, int]:
    """One pass over the pictures: evenly spaced frames, one for each 2^level slots, and the end.

    ``level`` follows from what the file claims; None if it claims nothing, and then no frame is given before the end.
    Returns the level that was right. If the clip was longer, fewer frames make the clip than were given; if it was so
    much shorter that more were wanted, there was no end, and another pass must be made with the right level.
    """
    kept: list[Candidate] = []
    now, count, time, filled = stride_exponent or 0, 0, 0.0, SlotCounter()
    for time in reader.times():
        slot = int((time + TIME_SLACK) / STRIDE)
        # A later picture that comes a little early (at 12 frames a second, say) is better than none.
        gap = (0.75 if filled.add(slot) else 1) * MOTION_GAP
        due = not kept or slot >> now > kept[-1].slot >> now
        completes = bool(kept) and kept[-1].waits and time >= kept[-1].time + gap - TIME_SLACK
        if not (due or completes):
            continue
        picture = reader.picture()
        if picture is None:
            continue
        if completes and picture.shape == kept[-1].picture.shape:
            kept[-1].later_image = fit_to_canvas(picture)
        if kept and kept[-1].waits:
            kept[-1].waits = False
            if stride_exponent is not None:
                yield _frame(kept[-1], count)
                count += 1
        if due:
            kept.append(Candidate(slot, time, picture))
        while len(kept) > max_steps:
            now += 1
            kept = [k for j, k in enumerate(kept) if j == 0 or k.slot >> now > kept[j - 1].slot >> now]
    if not kept:
        raise MediaError(f"{name} holds no picture that can be decoded.")
    if now > filled.stride_exponent(max_steps):
        return filled.stride_exponent(max_steps)
    for k in kept if stride_exponent is None else kept[-1:]:
        if stride_exponent is None or k.waits:
            yield _frame(k, count)
            count += 1
    yield ClipEnd(time, tuple(k.time for k in kept))
    return now


class SlotCounter:
    """How many stretches of 2^k slots hold a picture, for every k."""

    def __init__(self) -> None:
        self._last, self._counts = -1, [0] * 24

    def add(self, slot: int) -> bool:
        """Slots must come in rising order; -> whether this one is new."""
        new = slot > self._last
        for k in range(len(self._counts)):
            if slot >> k == self._last >> k:
                break  # then they are in the same stretch for every larger k, too
            self._counts[k] += 1
        self._last = slot
        return new

    def stride_exponent(self, max_steps: int) -> int:
        """The smallest k for which they are not too many."""
        return next(k for k, count in enumerate(self._counts) if count <= max_steps)


def stride_exponent_for(seconds: float, max_steps: int) -> int | None:
    """The level of a clip of this length, None if it is unknown."""
    if seconds <= 0:
        return None
    last = int((seconds + TIME_SLACK) / STRIDE)
    return max(0, (last // max_steps).bit_length())


def _frame(kept: Candidate, index: int) -> Frame:
    return make_frame(index, kept.time, kept.picture, kept.later_image)


def rising_times(stamps: Iterable[float | None], rate: float) -> Iterator[float]:
    """Time stamps in seconds as a file has them -> seconds from the first picture, always rising.

    Some containers carry no stamps, or broken ones; there the rate, in pictures a second, stands in, and where that is
    nonsense too, 25 pictures a second.
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
