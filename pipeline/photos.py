"""Photos and folders of images become frames: by Pillow, in known formats only, upright, without their metadata."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.canvas import fitted
from pipeline.clip import Ended, Frame, MediaError, Opened
from pipeline.limits import MAX_FILES, MAX_PIXELS

KEPT_SIDE = 360  # pixels: the short side of a picture that is kept to look at, enough for that and for the canvas
FOLDER_STEP = 1.0  # seconds between the images of a folder, whose true times nobody knows
JPEG_QUALITY = 80
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "AVIF")
Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # Pillow checks a header before it takes memory; it then holds to the same limit
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".avif"})


def read_photo(path: Path, name: str) -> Iterator[Opened | Frame | Ended] | None:
    """A clip of one frame, or None if the content (never the name) is not that of a photo."""
    opened = _open(path, name)
    if opened is None:
        return None
    image, (width, height) = opened
    return iter((Opened("photo", width, height), frame_of(0, 0.0, image), Ended(0.0, (0.0,))))


def read_folder(path: Path, name: str, max_steps: int) -> Iterator[Opened | Frame | Ended]:
    """The folder's images in name order, evenly spread from the first to the last if they are too many."""
    files = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
    if not files:
        raise MediaError(f"{name} holds no images ({', '.join(sorted(SUFFIXES))}).")
    if len(files) > MAX_FILES:
        raise MediaError(f"{name} holds {len(files)} images; the limit is {MAX_FILES}.")
    chosen = np.unique(np.linspace(0, len(files) - 1, min(max_steps, len(files))).round().astype(int))
    times = tuple(float(k) * FOLDER_STEP for k in chosen)
    for index, (k, time) in enumerate(zip(chosen, times, strict=True)):
        opened = _open(files[k], f"{name}/{files[k].name}")
        if opened is None:
            raise MediaError(f"{name}/{files[k].name} is not an image that can be read.")
        image, size = opened
        if index == 0:
            yield Opened("folder", *size)
        yield frame_of(index, time, image)
    yield Ended((len(files) - 1) * FOLDER_STEP, times)


def _open(path: Path, name: str) -> tuple[np.ndarray, tuple[int, int]] | None:
    """The bounded picture as (H, W, 3) uint8 BGR, and the photo's own width and height."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)  # above the limit; twice that is an error
            photo = Image.open(path, formats=FORMATS)
    except UnidentifiedImageError:
        return None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise MediaError(f"{name} has too many pixels; the limit is {MAX_PIXELS // 10**6} million.") from error
    with photo:
        check_pixels(name, *photo.size)
        size = photo.size
        try:
            photo.draft("RGB", (2 * KEPT_SIDE, 2 * KEPT_SIDE))  # JPEGs decode straight to a smaller size
            upright = ImageOps.exif_transpose(photo)
            image = np.asarray(upright.convert("RGB"))
        except (OSError, ValueError, SyntaxError, EOFError) as error:
            raise MediaError(f"{name} is a damaged photo: it ends or breaks off early.") from error
    if (upright.width > upright.height) != (size[0] > size[1]):
        size = size[::-1]
    return cv2.cvtColor(bounded(image), cv2.COLOR_RGB2BGR), size


# ── What videos need too ─────────────────────────────────────────────────────────────────────────────────────────


def check_pixels(name: str, width: int, height: int) -> None:
    if width <= 0 or height <= 0:
        raise MediaError(f"{name} holds no picture: its size is given as {width} x {height} pixels.")
    if width * height > MAX_PIXELS:
        raise MediaError(
            f"{name} is too large to read: {width} x {height} pixels; the limit is {MAX_PIXELS // 10**6} million."
        )


def bounded(image: np.ndarray) -> np.ndarray:
    """Shrink (H, W, 3) so that its short side is at most KEPT_SIDE, and a panorama's long side 4 times that."""
    height, width = image.shape[:2]
    scale = min(KEPT_SIDE / min(height, width), 4 * KEPT_SIDE / max(height, width), 1.0)
    if scale == 1.0:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def frame_of(index: int, time: float, picture: np.ndarray, later: np.ndarray | None = None) -> Frame:
    """A frame from a bounded picture (H, W, 3) uint8 BGR and, on the canvas already, what comes MOTION_GAP later."""
    jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
    return Frame(index, time, rgb(fitted(picture)), None if later is None else rgb(later), jpeg)


def rgb(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
