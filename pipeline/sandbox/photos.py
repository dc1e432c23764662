"""Photos and folders of images become frames: by Pillow, in known formats only, upright, without their metadata."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from pipeline.canvas import PREVIEW_SIDE
from pipeline.limits import MAX_FILES, MAX_PIXELS
from pipeline.sandbox.formats import PHOTO_FORMATS, PHOTO_SUFFIXES
from pipeline.sandbox.messages import ClipEnd, ClipInfo, Frame, MediaError
from pipeline.sandbox.pictures import check_pixels, make_frame, shrink_to_preview

FOLDER_STEP = 1.0  # seconds between the images of a folder, whose true times nobody knows
Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # Pillow checks a header before it takes memory; it then holds to the same limit


def read_photo(path: Path, name: str) -> Iterator[ClipInfo | Frame | ClipEnd] | None:
    """A clip of one frame, or None if the content (never the name) is not that of a photo."""
    opened = _open(path, name)
    if opened is None:
        return None
    image, (width, height) = opened
    return iter((ClipInfo("photo", width, height), make_frame(0, 0.0, image), ClipEnd(0.0, (0.0,))))


def read_folder(path: Path, name: str, max_steps: int) -> Iterator[ClipInfo | Frame | ClipEnd]:
    """The folder's images in name order, evenly spread from the first to the last if they are too many."""
    files = sorted(p for p in path.iterdir() if p.suffix.lower() in PHOTO_SUFFIXES and p.is_file())
    if not files:
        raise MediaError(f"{name} holds no images ({', '.join(sorted(PHOTO_SUFFIXES))}).")
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
            yield ClipInfo("folder", *size)
        yield make_frame(index, time, image)
    yield ClipEnd((len(files) - 1) * FOLDER_STEP, times)


def _open(path: Path, name: str) -> tuple[np.ndarray, tuple[int, int]] | None:
    """The bounded picture as (H, W, 3) uint8 BGR, and the photo's own width and height."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)  # above the limit; twice that is an error
            photo = Image.open(path, formats=PHOTO_FORMATS)
    except UnidentifiedImageError:
        return None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise MediaError(f"{name} has too many pixels; the limit is {MAX_PIXELS // 10**6} million.") from error
    with photo:
        check_pixels(name, *photo.size)
        size = photo.size
        try:
            photo.draft("RGB", (2 * PREVIEW_SIDE, 2 * PREVIEW_SIDE))  # JPEGs decode straight to a smaller size
            upright = ImageOps.exif_transpose(photo)
            image = np.asarray(upright.convert("RGB"))
        except (OSError, ValueError, SyntaxError, EOFError) as error:
            raise MediaError(f"{name} is a damaged photo: it ends or breaks off early.") from error
    if (upright.width > upright.height) != (size[0] > size[1]):
        size = size[::-1]
    return cv2.cvtColor(shrink_to_preview(image), cv2.COLOR_RGB2BGR), size


# ── What videos need too ─────────────────────────────────────────────────────────────────────────────────────────
