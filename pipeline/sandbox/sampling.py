"""The frames of a video, in one pass over its pictures: whole if it is short, else in bursts.

Time is counted in slots of SLOT seconds; the first picture of a slot may become a frame. BURST consecutive slots are a
burst. All slots of a short video are read. Of a longer one, every second burst is read, or every fourth, every eighth,
and so on: as many as ``max_steps`` allows. So the frames of a burst are always SLOT seconds apart, near enough to show
motion, and the bursts are spread evenly over the whole video.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pipeline.limits import MAX_RATE, MAX_SECONDS
from pipeline.sandbox.messages import ClipEnd, Frame, MediaError
from pipeline.sandbox.pictures import make_frame

SLOT = 0.2  # seconds between the frames of a burst
BURST = 8  # slots
TIME_SLACK = 0.001  # seconds: timestamps are rounded to milliseconds in many containers
LAST_PICTURE = 0.04  # seconds from the beginning of the last picture to the end of a video, at 25 pictures a second
LARGEST_EXPONENT = 31  # more than the longest video of MAX_SECONDS needs, whatever that is set to


class PictureReader(Protocol):
    """Decodes the pictures of a file, one after the other."""

    size: tuple[int, int]  # width and height as the file claims, upright, in square pixels

    def times(self) -> Iterator[float]:
        """Decodes picture after picture; yields each one's time in seconds from the first, always rising."""

    def picture(self) -> np.ndarray | None:
        """The picture that was decoded last, (H, W, 3) uint8 BGR: upright, of preview size, in square pixels.
        None if there is nothing to show."""


@dataclass(frozen=True)
class Candidate:
    """A picture that may become a frame: the first of its ``slot``."""

    slot: int
    time: float
    picture: np.ndarray  # BGR, of preview size


def sample_frames(
    reader: PictureReader, name: str, max_steps: int, exponent: int | None
) -> Generator[Frame | ClipEnd, None, int]:
    """One pass over the pictures: the frames of every 2^exponent-th burst, at most ``max_steps``, and the ClipEnd.

    ``exponent`` follows from the claimed duration. None: no duration is claimed; then no frame is yielded before the
    end. Returns the right exponent. If the clip was longer than claimed, some yielded frames are not in the final clip.
    If it was so much shorter that a smaller exponent is right, no ClipEnd is yielded, and another pass with the right
    exponent is needed. Raises MediaError if there is no picture.
    """
    candidates: list[Candidate] = []
    is_claimed, exponent = exponent is not None, exponent or 0
    count, time, slots = 0, 0.0, SlotCounter()
    for time in reader.times():
        slot = slot_of(time)
        slots.add(slot)
        if not is_kept(slot, exponent) or (candidates and slot == candidates[-1].slot):
            continue
        picture = reader.picture()
        if picture is None:
            continue
        candidates.append(Candidate(slot, time, picture))
        if is_claimed:
            yield make_frame(count, time, picture)
            count += 1
        while len(candidates) > max_steps:
            exponent += 1
            candidates = [candidate for candidate in candidates if is_kept(candidate.slot, exponent)]
    if not candidates:
        raise MediaError(f"{name} holds no picture that can be decoded.")
    if exponent > slots.exponent(max_steps):
        return slots.exponent(max_steps)
    if not is_claimed:
        for index, candidate in enumerate(candidates):
            yield make_frame(index, candidate.time, candidate.picture)
    yield ClipEnd(time, tuple(candidate.time for candidate in candidates))
    return exponent


def slot_of(time: float) -> int:
    """The slot in which a time lies, in seconds from the first picture."""
    return int((time + TIME_SLACK) / SLOT)


def is_kept(slot: int, exponent: int) -> bool:
    """Whether the slot lies in one of every 2^exponent bursts. What is kept with an exponent is kept with all smaller
    ones, so the frames of a longer video are always among those of a shorter one that begins alike."""
    return slot // BURST % 2**exponent == 0


class SlotCounter:
    """Counts, for every exponent, the slots that are kept and hold a picture."""

    def __init__(self) -> None:
        self._last, self._counts = -1, [0] * (LARGEST_EXPONENT + 1)

    def add(self, slot: int) -> None:
        """Count a slot; slots come in rising order."""
        if slot == self._last:
            return
        self._last = slot
        for exponent in range(len(self._counts)):
            if not is_kept(slot, exponent):
                break  # nor is it with any larger exponent
            self._counts[exponent] += 1

    def exponent(self, max_steps: int) -> int:
        """The smallest exponent with which at most ``max_steps`` slots are kept."""
        return next(k for k, count in enumerate(self._counts) if count <= max_steps)


def exponent_for(seconds: float, max_steps: int) -> int | None:
    """The exponent of a clip of this duration with a picture in every slot; None if the duration is unknown (0)."""
    if seconds <= 0:
        return None
    burst, slot = divmod(slot_of(seconds), BURST)
    for exponent in range(LARGEST_EXPONENT):
        bursts, after = divmod(burst, 2**exponent)
        if bursts * BURST + (slot + 1 if after == 0 else BURST) <= max_steps:
            return exponent
    return LARGEST_EXPONENT


def expected_steps(seconds: float, max_steps: int) -> int:
    """How many frames a video of this duration has if every slot holds a picture; 0 if the duration is unknown."""
    exponent = exponent_for(seconds, max_steps)
    return (
        0 if exponent is None else sum(is_kept(slot, exponent) for slot in range(slot_of(seconds - LAST_PICTURE) + 1))
    )


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
