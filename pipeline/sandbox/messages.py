"""The messages from a decoding child to its parent: their types, and both ends of their format in the pipe."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Any, Literal

import numpy as np
from PIL import Image

from pipeline.canvas import PREVIEW_SIDE, TALL, WIDE
from pipeline.limits import COPY_MEGABYTES

Kind = Literal["video", "photo", "folder"]


class MediaError(Exception):
    """A file that cannot be read; the message is one sentence for the person who chose the file."""


@dataclass(frozen=True)
class ClipInfo:
    """What is known of a file before its first picture is decoded."""

    kind: Kind
    width: int  # of the file's pictures, upright, in pixels
    height: int
    mime: str | None = None  # of a video that today's browsers play as it is, else None
    claimed_duration: float = 0.0  # seconds that a video says it lasts; 0 if it says nothing


@dataclass(frozen=True)
class Frame:
    """One kept picture of a clip.

    ``index`` counts kept frames from 0, ``time`` is in seconds from the clip's first picture, ``image`` is
    (H, W, 3) uint8 RGB on a canvas for the CNN (pipeline/canvas.py), ``later`` is the picture MOTION_GAP seconds on,
    of the same shape, or None where there is none (photos, folders, the end of a clip), and ``jpeg`` is the picture in
    its own proportions, to look at.
    """

    index: int
    time: float
    image: np.ndarray
    later_image: np.ndarray | None = None
    preview_jpeg: bytes = b""


@dataclass(frozen=True)
class ClipEnd:
    """What is known in the end: the last picture's time in seconds, and which of the frames make the clip."""

    duration: float
    times: tuple[float, ...]


MAX_HEADER_BYTES = 200_000  # bytes of JSON
MAX_JPEG_BYTES = 10**6  # bytes
MAX_CLIP_JPEG_BYTES = 50 * 10**6  # of one clip


KINDS, MIMES = ("video", "photo", "folder"), (None, "video/mp4", "video/webm")


PIPE_BYTES = 1 << 20


Message = ClipInfo | Frame | ClipEnd | bytes | MediaError  # what a child says: the last three are last words


class MessageValidator:
    """What a child has said so far: its messages must make sense in their order."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._task, self._most = job["task"], job.get("max_steps", 0)
        self._opened: ClipInfo | None = None
        self._times: set[float] = set()
        self._bytes = 0

    def check(self, message: Message) -> None:
        """Raises _BrokenError for one that none of our own children would send here."""
        match message:
            case MediaError():
                fine = True
            case bytes():
                fine = self._task == "copy"
            case ClipInfo():
                fine = self._task == "frames" and self._opened is None
                self._opened = message
            case Frame(time=time, preview_jpeg=jpeg):
                fine = self._opened is not None and not (self._opened.kind == "photo" and self._times)
                self._times.add(time)
                self._bytes += len(jpeg)
                fine = fine and self._bytes <= MAX_CLIP_JPEG_BYTES
            case ClipEnd(times=times):
                fine = 0 < len(times) <= self._most and list(times) == sorted(set(times)) and self._times >= set(times)
        if not fine:
            raise ProtocolError


class ProtocolError(Exception):
    """What came through the pipe is not what was asked for."""


def read_message(pipe: IO[bytes]) -> Message:
    """The next that the child says; nothing in it is believed."""
    message = json.loads(pipe.readline(MAX_HEADER_BYTES))
    if "frame" in message:
        return _frame(pipe, *message["frame"])
    if "opened" in message:
        kind, width, height, mime, claimed = message["opened"]
        if kind not in KINDS or mime not in MIMES:
            raise ProtocolError
        return ClipInfo(kind, int(width), int(height), mime, _seconds(claimed))
    if "ended" in message:
        duration, times = message["ended"]
        return ClipEnd(_seconds(duration), tuple(map(_seconds, times)))
    if "copy" in message:
        return _bytes(pipe, message["copy"], COPY_MEGABYTES * 10**6)
    return MediaError(str(message["error"]).replace("\n", " "))


def _seconds(message: float) -> float:
    if not 0 <= message < math.inf:
        raise ProtocolError
    return float(message)


def _frame(pipe: IO[bytes], index: int, time: float, canvas: list[int], moves: bool, jpeg: int) -> Frame:
    if tuple(canvas) not in (WIDE, TALL):
        raise ProtocolError
    image = _picture(pipe, *canvas)
    later = _picture(pipe, *canvas) if moves else None
    shown = _bytes(pipe, jpeg, MAX_JPEG_BYTES)
    with Image.open(
        BytesIO(shown), formats=["JPEG"]
    ) as header:  # it will be unpacked here: no other format, none larger
        if max(header.size) > 4 * PREVIEW_SIDE:
            raise ProtocolError
    return Frame(int(index), _seconds(time), image, later, shown)


def _picture(pipe: IO[bytes], height: int, width: int) -> np.ndarray:
    picture = np.empty((height, width, 3), np.uint8)
    if pipe.readinto(memoryview(picture).cast("B")) != picture.size:
        raise ProtocolError
    return picture


def _bytes(pipe: IO[bytes], count: int, most: int) -> bytes:
    if not 0 <= count <= most:
        raise ProtocolError
    found = pipe.read(count)
    if len(found) != count:
        raise ProtocolError
    return found


def write_message(pipe: IO[bytes], message: dict[str, Any]) -> None:
    pipe.write(json.dumps(message).encode() + b"\n")
