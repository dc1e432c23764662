"""A file becomes frames, in the process that asks: RGB uint8 images with their true times, evenly spread over the clip.

FFmpeg recognises a container by its content; here it may find only those of CONTAINERS, so that no playlist, no list of
other files and nothing from a network is ever opened, and a codec must be one of CODECS before a picture is decoded.

One pass, in order: every picture is ``grab()``-ed (decoded), only the kept ones are ``retrieve()``-d (converted to
RGB). Seeking to each frame instead is several times slower, and needs a frame count, which files lie about. Since
the length is unknown until the end, sampling begins dense (every 0.2 s) and halves itself whenever the store is
full: memory is bounded for any length, and the frames kept are always evenly spaced.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.clip import Clip, Frame, MediaError
from pipeline.limits import MAX_FILES, MAX_PIXELS, MAX_RATE, MAX_SECONDS

CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,asf,flv,mpeg,mpegvideo,mpegts,ogg,rm,swf,gif"  # FFmpeg's names
CODECS = frozenset(  # four letters each, as containers name them
    "h264 avc1 hevc hvc1 hev1 vp80 vp90 vp08 vp09 av01 mp4v fmp4 xvid divx dx50 div3 mp42 mp43 mpg1 mpg2 mpeg h263 "
    "s263 flv1 vp6f wmv1 wmv2 wmv3 wvc1 theo rv10 rv20 rv30 rv40 mjpg mjpa jpeg apch apcn apcs apco ap4h dvsd "
    "gif".split()
)
STRIDE = 0.2  # seconds between kept frames while a clip is short
MOTION_GAP = 0.2  # seconds from a frame to the later picture that shows where it moves
KEPT_SIDE = 360  # pixels: the short side of a kept image, enough to look at and more than a CNN reads
FOLDER_STEP = 1.0  # seconds between the images of a folder, whose true times nobody knows
TIME_SLACK = 0.001  # seconds: timestamps are rounded to milliseconds in many containers
PHOTO_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "AVIF")
PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".avif"})
Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # Pillow checks a header before it takes memory; it then holds to the same limit


def decode(path: Path, max_steps: int, name: str) -> Clip:
    """A video, a photo or a folder of images (in name order) as a clip of at most ``max_steps`` frames.

    Decodes in this very process: for files of strangers see media.read_clip. ``name`` is what error messages call the
    file. Raises MediaError if it holds no picture that can be read.
    """
    try:
        if path.is_dir():
            return _read_folder(path, name, max_steps)
        return _read_photo(path, name) or _read_video(path, name, max_steps)
    except OSError as error:
        raise MediaError(f"{name} could not be opened: {error.strerror or 'input/output error'}.") from error
    except MemoryError as error:
        raise MediaError(f"{name} needs more memory to decode than there is for one file.") from error


# ── Photos ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _read_photo(path: Path, name: str) -> Clip | None:
    """A clip of one frame, or None if the content (never the name) is not that of a photo."""
    opened = _open_photo(path, name)
    if opened is None:
        return None
    image, (width, height) = opened
    return Clip("photo", (Frame(0, 0.0, image),), 0.0, width, height)


def _open_photo(path: Path, name: str) -> tuple[np.ndarray, tuple[int, int]] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)  # above the limit; twice that is an error
            photo = Image.open(path, formats=PHOTO_FORMATS)
    except UnidentifiedImageError:
        return None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise MediaError(f"{name} has too many pixels; the limit is {MAX_PIXELS // 10**6} million.") from error
    with photo:
        _check_pixels(name, *photo.size)
        size = photo.size
        try:
            photo.draft("RGB", (2 * KEPT_SIDE, 2 * KEPT_SIDE))  # JPEGs decode straight to a smaller size
            upright = ImageOps.exif_transpose(photo)
            image = np.asarray(upright.convert("RGB"))
        except (OSError, ValueError, SyntaxError, EOFError) as error:
            raise MediaError(f"{name} is a damaged photo: it ends or breaks off early.") from error
    if (upright.width > upright.height) != (size[0] > size[1]):
        size = size[::-1]
    return _bounded(image), size


def _read_folder(path: Path, name: str, max_steps: int) -> Clip:
    files = sorted(p for p in path.iterdir() if p.suffix.lower() in PHOTO_SUFFIXES and p.is_file())
    if not files:
        raise MediaError(f"{name} holds no images ({', '.join(sorted(PHOTO_SUFFIXES))}).")
    if len(files) > MAX_FILES:
        raise MediaError(f"{name} holds {len(files)} images; the limit is {MAX_FILES}.")
    chosen = np.unique(np.linspace(0, len(files) - 1, min(max_steps, len(files))).round().astype(int))
    frames, size = [], (0, 0)
    for index, k in enumerate(chosen):
        opened = _open_photo(files[k], f"{name}/{files[k].name}")
        if opened is None:
            raise MediaError(f"{name}/{files[k].name} is not an image that can be read.")
        image, size = opened
        frames.append(Frame(index, float(k) * FOLDER_STEP, image))
    return Clip("folder", tuple(frames), (len(files) - 1) * FOLDER_STEP, *size)


# ── Videos ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _read_video(path: Path, name: str, max_steps: int) -> Clip:
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = f"format_whitelist;{CONTAINERS}|protocol_whitelist;file"
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        if not capture.isOpened():
            raise MediaError(
                f"{name} could not be read as a video or a photo: it is damaged, holds no picture, "
                "or is of a kind this app does not know."
            )
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)  # pictures, width and height then come upright
        width, height = (int(capture.get(p)) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        codec = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little")
        _check_pixels(name, width, height)
        _check_claims(name, capture, codec)
        frames, duration = _sample(capture, max_steps)
        mime = _browser_mime(path, codec)
    except cv2.error as error:
        raise MediaError(f"{name} could not be decoded.") from error
    finally:
        capture.release()
    if not frames:
        raise MediaError(f"{name} holds no picture that can be decoded.")
    return Clip("video", tuple(frames), duration, width, height, mime)


def _check_claims(name: str, capture: cv2.VideoCapture, codec: bytes) -> None:
    """What a video says of itself, before its first picture is decoded. Lies that do no harm are let through."""
    if codec.decode("latin-1").lower().strip() not in CODECS:
        raise MediaError(f"{name} is a video in a format that this app does not read.")
    rate, count = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
    if rate > 0 and count / rate > MAX_SECONDS:
        raise MediaError(f"{name} is too long: the limit is {MAX_SECONDS // 60} minutes.")


def _browser_mime(path: Path, codec: bytes) -> str | None:
    """Container (by its first bytes) and codec -> the MIME type to play it under, or None if browsers cannot."""
    with path.open("rb") as file:
        start = file.read(12)
    if start[4:8] == b"ftyp" and codec.lower() in (b"avc1", b"h264", b"av01"):
        return "video/mp4"
    if start[:4] == b"\x1aE\xdf\xa3" and codec.lower() in (b"vp80", b"vp90", b"av01"):
        return "video/webm"
    return None


@dataclass
class _Kept:
    """A frame on its way into the clip: ``due`` is the multiple of the stride that it stands for."""

    due: float
    time: float
    image: np.ndarray
    later: np.ndarray | None = None


def _sample(capture: cv2.VideoCapture, max_steps: int) -> tuple[list[Frame], float]:
    """One pass over the pictures -> the evenly spaced frames, and the time of the last picture."""
    kept: list[_Kept] = []
    stride, time = STRIDE, 0.0
    for time in _grab(capture):
        due = not kept or time >= kept[-1].due + stride - TIME_SLACK
        # A later picture that comes a little early (at 12 frames a second, say) is better than none.
        gap = 0.75 * MOTION_GAP if due else MOTION_GAP
        completes = bool(kept) and kept[-1].later is None and time >= kept[-1].time + gap - TIME_SLACK
        if not (due or completes):
            continue
        ok, picture = capture.retrieve()
        if not ok or picture is None or picture.size == 0:
            continue
        image = _bounded(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
        if completes and image.shape == kept[-1].image.shape:
            kept[-1].later = image
        if due:
            multiple = (time + TIME_SLACK) // stride * stride
            kept.append(_Kept(multiple, time, image))
        if len(kept) > max_steps:
            kept, stride = kept[::2], 2 * stride
    return [Frame(i, k.time, k.image, k.later) for i, k in enumerate(kept)], time


def _grab(capture: cv2.VideoCapture) -> Iterator[float]:
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


# ── Both ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _check_pixels(name: str, width: int, height: int) -> None:
    if width <= 0 or height <= 0:
        raise MediaError(f"{name} holds no picture: its size is given as {width} x {height} pixels.")
    if width * height > MAX_PIXELS:
        raise MediaError(
            f"{name} is too large to read: {width} x {height} pixels; the limit is {MAX_PIXELS // 10**6} million."
        )


def _bounded(image: np.ndarray) -> np.ndarray:
    """Shrink (H, W, 3) so that its short side is at most KEPT_SIDE, and a panorama's long side 4 times that."""
    height, width = image.shape[:2]
    scale = min(KEPT_SIDE / min(height, width), 4 * KEPT_SIDE / max(height, width), 1.0)
    if scale == 1.0:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)
