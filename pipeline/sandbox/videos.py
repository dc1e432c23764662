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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2

from pipeline.limits import MAX_RATE, MAX_SECONDS
from pipeline.sandbox.formats import CODECS, CONTAINERS
from pipeline.sandbox.messages import MediaError
from pipeline.sandbox.pictures import check_pixels

OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
FORMAT_WHITELIST = f"format_whitelist;{CONTAINERS}|protocol_whitelist;file"


@contextmanager
def open_video(path: Path, name: str, options: str = "") -> Iterator[cv2.VideoCapture]:
    """The video behind the gate: nothing but a known container and codec of a sane size gets through."""
    capture = _capture(path, "|".join(filter(None, (FORMAT_WHITELIST, options))))
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
        if claimed_duration(capture) > MAX_SECONDS:
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


def claimed_duration(capture: cv2.VideoCapture) -> float:
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
