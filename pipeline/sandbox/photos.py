"""Photos and folders of images become frames: by Pillow, in known formats only, upright, without their metadata."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.canvas import KEPT_SIDE
from pipeline.limits import MAX_FILES, MAX_PIXELS
from pipeline.sandbox.formats import FORMATS, SUFFIXES
from pipeline.sandbox.messages import Ended, Frame, MediaError, Opened
from pipeline.sandbox.pictures import bounded, check_pixels, frame_of

FOLDER_STEP = 1.0  # seconds between the images of a folder, whose true times nobody knows
Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # Pillow checks a header before it takes memory; it then holds to the same limit


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
