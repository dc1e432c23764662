"""Videos become frames: RGB uint8 images with their true times, evenly spread over the clip.

FFmpeg recognises a container by its content; here it may find only those of CONTAINERS, so that no playlist, no list of
other files and nothing from a network is ever opened, and a codec must be one of CODECS before a picture is decoded.

One pass, in order: every picture is ``grab()``-ed (decoded), only the wanted ones are ``retrieve()``-d (converted).
Seeking to each frame instead is several times slower, and needs a frame count, which files lie about. Since the length
is unknown until the end, sampling begins dense (every 0.2 s) and halves itself whenever the store is full: memory is
bounded for any length, and the frames kept are always evenly spaced. What the file claims of its length saves the dense
beginning, and lets frames be given out at once; if the claim was too long, there is a second pass.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pipeline.canvas import fitted
from pipeline.clip import Ended, Frame, MediaError
from pipeline.limits import MAX_RATE, MAX_SECONDS
from pipeline.photos import bounded, check_pixels, frame_of

CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,asf,flv,mpeg,mpegvideo,mpegts,ogg,rm,swf,gif"  # FFmpeg's names
CODECS = frozenset(  # four letters each, as containers name them
    "h264 avc1 hevc hvc1 hev1 vp80 vp90 vp08 vp09 av01 mp4v fmp4 xvid divx dx50 div3 mp42 mp43 mpg1 mpg2 mpeg h263 "
    "s263 flv1 vp6f wmv1 wmv2 wmv3 wvc1 theo rv10 rv20 rv30 rv40 mjpg mjpa jpeg apch apcn apcs apco ap4h dvsd "
    "gif".split()
)
OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
GATE = f"format_whitelist;{CONTAINERS}|protocol_whitelist;file"
STRIDE = 0.2  # seconds between kept frames while a clip is short
MOTION_GAP = 0.2  # seconds from a frame to the later picture that shows where it moves
TIME_SLACK = 0.001  # seconds: timestamps are rounded to milliseconds in many containers


@contextmanager
def opened(path: Path, name: str, options: str = "") -> Iterator[cv2.VideoCapture]:
    """The video behind the gate: nothing but a known container and codec of a sane size gets through."""
    capture = _capture(path, "|".join(filter(None, (GATE, options))))
    try:
        if not capture.isOpened():
            raise MediaError(
                f"{name} could not be read as a video or a photo: it is damaged, holds no picture, "
                "or is of a kind this app does not know."
            )
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)  # pictures, width and height then come upright
        check_pixels(name, *size(capture))
        if codec(capture).decode("latin-1").lower().strip() not in CODECS:
            raise MediaError(f"{name} is a video in a format that this app does not read.")
        if claimed_seconds(capture) > MAX_SECONDS:
            raise MediaError(f"{name} is too long: the limit is {MAX_SECONDS // 60} minutes.")
        yield capture
    except cv2.error as error:
        raise MediaError(f"{name} could not be decoded.") from error
    finally:
        capture.release()


def _capture(path: Path, options: str) -> cv2.VideoCapture:
    """cv2 takes FFmpeg's options from the environment only; nobody else's videos shall be opened with them."""
    os.environ[OPTIONS] = options
    try:
        return cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    finally:
        del os.environ[OPTIONS]


def size(capture: cv2.VideoCapture) -> tuple[int, int]:
    """Width and height in pixels, upright, as the file claims."""
    return int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))


def codec(capture: cv2.VideoCapture) -> bytes:
    return int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little")


def claimed_seconds(capture: cv2.VideoCapture) -> float:
    """When the last picture is shown, if the file tells the truth; 0 if it says nothing of the kind."""
    rate, count = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
    return (count - 1) / rate if 0 < rate <= MAX_RATE and count > 1 else 0.0


def browser_mime(path: Path, codec: bytes) -> str | None:
    """Container (by its first bytes) and codec -> the MIME type to play it under, or None if browsers cannot."""
    with path.open("rb") as file:
        start = file.read(12)
    if start[4:8] == b"ftyp" and codec.lower() in (b"avc1", b"h264", b"av01"):
        return "video/mp4"
    if start[:4] == b"\x1aE\xdf\xa3" and codec.lower() in (b"vp80", b"vp90", b"av01"):
        return "video/webm"
    return None


# ── Sampling ─────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class _Kept:
    """A picture on its way into the clip: the first in its ``slot``, a stretch of STRIDE seconds counted from 0."""

    slot: int
    time: float
    picture: np.ndarray  # BGR, bounded
    later: np.ndarray | None = None  # BGR, on the canvas
    waits: bool = True  # for that


def sampled(
    capture: cv2.VideoCapture, name: str, max_steps: int, level: int | None
) -> Generator[Frame | Ended, None, int]:
    """One pass over the pictures: evenly spaced frames, one for each 2^level slots, and the end.

    ``level`` follows from what the file claims; None if it claims nothing, and then no frame is given before the end.
    Returns the level that was right. If the clip was longer, fewer frames make the clip than were given; if it was so
    much shorter that more were wanted, there was no end, and another pass must be made with the right level.
    """
    kept: list[_Kept] = []
    now, count, time, filled = level or 0, 0, 0.0, _Filled()
    for time in grabbed(capture):
        slot = int((time + TIME_SLACK) / STRIDE)
        # A later picture that comes a little early (at 12 frames a second, say) is better than none.
        gap = (0.75 if filled.add(slot) else 1) * MOTION_GAP
        due = not kept or slot >> now > kept[-1].slot >> now
        completes = bool(kept) and kept[-1].waits and time >= kept[-1].time + gap - TIME_SLACK
        if not (due or completes):
            continue
        ok, picture = capture.retrieve()
        if not ok or picture is None or picture.size == 0:
            continue
        picture = bounded(picture)
        if completes and picture.shape == kept[-1].picture.shape:
            kept[-1].later = fitted(picture)
        if kept and kept[-1].waits:
            kept[-1].waits = False
            if level is not None:
                yield _frame(kept[-1], count)
                count += 1
        if due:
            kept.append(_Kept(slot, time, picture))
        while len(kept) > max_steps:
            now += 1
            kept = [k for j, k in enumerate(kept) if j == 0 or k.slot >> now > kept[j - 1].slot >> now]
    if not kept:
        raise MediaError(f"{name} holds no picture that can be decoded.")
    if now > filled.level(max_steps):
        return filled.level(max_steps)
    for k in kept if level is None else kept[-1:]:
        if level is None or k.waits:
            yield _frame(k, count)
            count += 1
    yield Ended(time, tuple(k.time for k in kept))
    return now


class _Filled:
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

    def level(self, max_steps: int) -> int:
        """The smallest k for which they are not too many."""
        return next(k for k, count in enumerate(self._counts) if count <= max_steps)


def level_for(seconds: float, max_steps: int) -> int | None:
    """The level of a clip of this length, None if it is unknown."""
    if seconds <= 0:
        return None
    last = int((seconds + TIME_SLACK) / STRIDE)
    return max(0, (last // max_steps).bit_length())


def _frame(kept: _Kept, index: int) -> Frame:
    return frame_of(index, kept.time, kept.picture, kept.later)


def grabbed(capture: cv2.VideoCapture) -> Iterator[float]:
    """Decode picture after picture; yield each one's time in seconds, always rising.

    Some containers carry no timestamps, or broken ones; there the frame rate stands in, and where that is
    nonsense too, 25 pictures a second.
    """
    rate = capture.get(cv2.CAP_PROP_FPS)
    tick = 1.0 / rate if 1.0 <= rate <= MAX_RATE else 0.04
    first, last = None, -tick
    while capture.grab():
        stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0
        first = stamp if first is None else first
        time = stamp - first
        if not last < time < last + 3600.0:
            time = last + tick
        if time > MAX_SECONDS:
            return
        yield time
        last = time
