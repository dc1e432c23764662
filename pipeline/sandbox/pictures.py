"""Pictures are checked, shrunk and made into frames; photos and videos share this."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.canvas import PREVIEW_SIDE, fit_to_canvas
from pipeline.limits import MAX_PIXELS
from pipeline.sandbox.messages import Frame, MediaError

JPEG_QUALITY = 80


def check_pixels(name: str, width: int, height: int) -> None:
    if width <= 0 or height <= 0:
        raise MediaError(f"{name} holds no picture: its size is given as {width} x {height} pixels.")
    if width * height > MAX_PIXELS:
        raise MediaError(
            f"{name} is too large to read: {width} x {height} pixels; the limit is {MAX_PIXELS // 10**6} million."
        )


def shrink_to_preview(image: np.ndarray) -> np.ndarray:
    """Shrink (H, W, 3) so that its short side is at most KEPT_SIDE, and a panorama's long side 4 times that."""
    height, width = image.shape[:2]
    scale = min(PREVIEW_SIDE / min(height, width), 4 * PREVIEW_SIDE / max(height, width), 1.0)
    if scale == 1.0:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def make_frame(index: int, time: float, picture: np.ndarray, later: np.ndarray | None = None) -> Frame:
    """A frame from a bounded picture (H, W, 3) uint8 BGR and, on the canvas already, what comes MOTION_GAP later."""
    jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
    return Frame(index, time, rgb(fit_to_canvas(picture)), None if later is None else rgb(later), jpeg)


def rgb(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
