"""Pictures are checked, shrunk and made into frames; photos and videos share this."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np

from pipeline.canvas import PREVIEW_SIDE, fit_to_canvas
from pipeline.limits import MAX_PIXELS
from pipeline.sandbox.messages import Frame, MediaError

JPEG_QUALITY = 80
SQUARE = Fraction(1)


def check_pixels(name: str, width: int, height: int) -> None:
    if width <= 0 or height <= 0:
        raise MediaError(f"{name} holds no picture: its size is given as {width} x {height} pixels.")
    if width * height > MAX_PIXELS:
        raise MediaError(
            f"{name} is too large to read: {width} x {height} pixels; the limit is {MAX_PIXELS // 10**6} million."
        )


def shown_size(width: int, height: int, pixel_shape: Fraction) -> tuple[int, int]:
    """Width and height in square pixels of a picture whose pixels are not square; one side grows, as in browsers."""
    if pixel_shape == SQUARE:
        return width, height
    return (round(width * pixel_shape), height) if pixel_shape >= 1 else (width, round(height / pixel_shape))


def preview_size(width: int, height: int) -> tuple[int, int]:
    """The same proportions, with a short side of PREVIEW_SIDE at most, and a panorama's long side of 4 times that."""
    scale = min(PREVIEW_SIDE / min(height, width), 4 * PREVIEW_SIDE / max(height, width), 1.0)
    return max(1, round(width * scale)), max(1, round(height * scale))


def shrink_to_preview(image: np.ndarray, pixel_shape: Fraction = SQUARE) -> np.ndarray:
    """Shrink (H, W, ...) to its preview size, in square pixels. ``pixel_shape`` is width / height of a pixel now."""
    height, width = image.shape[:2]
    size = preview_size(*shown_size(width, height, pixel_shape))
    if size == (width, height):
        return image
    shrinks = size[0] <= width and size[1] <= height
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def make_frame(index: int, time: float, picture: np.ndarray) -> Frame:
    """A frame from a bounded picture (H, W, 3) uint8 BGR."""
    jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
    return Frame(index, time, cv2.cvtColor(fit_to_canvas(picture), cv2.COLOR_BGR2RGB), jpeg)
