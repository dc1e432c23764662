"""The messages from a decoding child to its parent: their types, and both ends of their format in the pipe."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from io import BufferedIOBase, BytesIO
from typing import Any, Literal

import numpy as np
from PIL import Image

from pipeline.canvas import PREVIEW_SIDE, TALL, WIDE
from pipeline.limits import COPY_MEGABYTES

Kind = Literal["video", "photo", "folder"]


class MediaError(Exception):
    """A file that cannot be read; the message is one sentence for the person who chose the file."""


@dataclass(frozen=True)
class ClipInfo:
    """The properties of a file, sent before its first frame."""

    kind: Kind
    width: int  # of the file's pictures, upright, in pixels
    height: int
    mime: str | None = None  # of a video that today's browsers play as it is, else None
    claimed_duration: float = 0.0  # seconds that a video says it lasts; 0 if it says nothing


@dataclass(frozen=True)
class Frame:
    """One frame of a clip.

    ``index`` counts the frames from 0. ``time`` is in seconds on the player's clock, which starts with the first sound
    or picture. ``image`` is (H, W, 3) uint8 RGB on a canvas for the CNN (pipeline/canvas.py). ``preview_jpeg`` is the
    picture in its own proportions.
    """

    index: int
    time: float
    image: np.ndarray
    preview_jpeg: bytes = b""


@dataclass(frozen=True)
class ClipEnd:
    """The end of a clip: the time of its last picture in seconds, and the times of the frames that are in the clip."""

    duration: float
    times: tuple[float, ...]
    left_out: tuple[str, ...] = ()  # names of files of a folder that are no part of the clip


def printable(text: str) -> str:
    """Text with file names, safe to show anywhere: characters that are not printable are escaped, and so are bytes that
    are not text (which Python holds as lone surrogates)."""
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    try:
        return character.encode("unicode_escape").decode() if character.encode() else ""
    except UnicodeEncodeError:
        return f"\\x{ord(character) & 0xFF:02x}"


Message = ClipInfo | Frame | ClipEnd | bytes | MediaError  # bytes are a browser copy; the last three are final

PIPE_BYTES = 1 << 20
MAX_HEADER_BYTES = 200_000  # of the line of JSON that begins a message
MAX_JPEG_BYTES = 10**6  # of one frame
MAX_CLIP_JPEG_BYTES = 50 * 10**6
MAX_NAMES = 300  # of files that are left out
KINDS, MIMES = ("video", "photo", "folder"), (None, "video/mp4", "video/webm")


class ProtocolError(Exception):
    """The bytes in the pipe are not a valid message."""


# The child's end.


def write_message(pipe: BufferedIOBase, message: Message) -> None:
    """One message: a line of JSON, then the bytes that it announces."""
    match message:
        case ClipInfo(kind, width, height, mime, claimed):
            _write_header(pipe, {"opened": [kind, width, height, mime, claimed]})
        case Frame(index, time, image, jpeg):
            _write_header(pipe, {"frame": [index, time, image.shape[:2], len(jpeg)]})
            pipe.write(image.data)
            pipe.write(jpeg)
        case ClipEnd(duration, times, left_out):
            _write_header(pipe, {"ended": [duration, times, left_out[:MAX_NAMES]]})
        case bytes():
            _write_header(pipe, {"copy": len(message)})
            pipe.write(message)
        case MediaError():
            _write_header(pipe, {"error": str(message)})
    pipe.flush()


def _write_header(pipe: BufferedIOBase, header: dict[str, Any]) -> None:
    pipe.write(json.dumps(header).encode() + b"\n")


# The parent's end: nothing that comes through the pipe is believed.


def read_message(pipe: BufferedIOBase) -> Message:
    """The next message. Raises ProtocolError, or whatever json, numpy and Pillow raise for nonsense."""
    header = json.loads(pipe.readline(MAX_HEADER_BYTES))
    if "frame" in header:
        return _read_frame(pipe, *header["frame"])
    if "opened" in header:
        kind, width, height, mime, claimed = header["opened"]
        if kind not in KINDS or mime not in MIMES:
            raise ProtocolError
        return ClipInfo(kind, int(width), int(height), mime, _seconds(claimed))
    if "ended" in header:
        duration, times, left_out = header["ended"]
        if len(left_out) > MAX_NAMES:
            raise ProtocolError
        return ClipEnd(_seconds(duration), tuple(map(_seconds, times)), tuple(map(str, left_out)))
    if "copy" in header:
        return _read_bytes(pipe, header["copy"], COPY_MEGABYTES * 10**6)
    return MediaError(printable(str(header["error"])))


def _seconds(value: float) -> float:
    if not 0 <= value < math.inf:
        raise ProtocolError
    return float(value)


def _read_frame(pipe: BufferedIOBase, index: int, time: float, canvas: list[int], jpeg_bytes: int) -> Frame:
    if tuple(canvas) not in (WIDE, TALL):
        raise ProtocolError
    image = _read_picture(pipe, *canvas)
    jpeg = _read_bytes(pipe, jpeg_bytes, MAX_JPEG_BYTES)
    # It will be decoded in this process: no other format, and none larger than what a child of ours makes.
    with Image.open(BytesIO(jpeg), formats=["JPEG"]) as header:
        if max(header.size) > 4 * PREVIEW_SIDE:
            raise ProtocolError
    return Frame(int(index), _seconds(time), image, jpeg)


def _read_picture(pipe: BufferedIOBase, height: int, width: int) -> np.ndarray:
    picture = np.empty((height, width, 3), np.uint8)
    if pipe.readinto(picture.data.cast("B")) != picture.size:
        raise ProtocolError
    return picture


def _read_bytes(pipe: BufferedIOBase, count: int, most: int) -> bytes:
    if not 0 <= count <= most:
        raise ProtocolError
    data = pipe.read(count)
    if len(data) != count:
        raise ProtocolError
    return data


class MessageValidator:
    """Checks that a child's messages make sense in their order."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._task, self._max_steps = job["task"], job.get("max_steps", 0)
        self._info: ClipInfo | None = None
        self._times: set[float] = set()
        self._jpeg_bytes = 0

    def check(self, message: Message) -> None:
        """Raises ProtocolError for a message that does not fit the job or the messages before it."""
        match message:
            case MediaError():
                valid = True
            case bytes():
                valid = self._task == "copy"
            case ClipInfo():
                valid = self._task == "frames" and self._info is None
                self._info = message
            case Frame(time=time, preview_jpeg=jpeg):
                valid = self._info is not None and not (self._info.kind == "photo" and self._times)
                self._times.add(time)
                self._jpeg_bytes += len(jpeg)
                valid = valid and self._jpeg_bytes <= MAX_CLIP_JPEG_BYTES
            case ClipEnd(times=times):
                in_order = list(times) == sorted(set(times))
                valid = 0 < len(times) <= self._max_steps and in_order and self._times >= set(times)
        if not valid:
            raise ProtocolError
