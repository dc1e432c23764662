"""The canvas that every picture is fitted to: 288 x 224 pixels or, if it is taller than wide, 224 x 288.

Near enough to what cameras make that little is distorted, and whole, so that nothing at the edges is lost.
"""

from __future__ import annotations

import cv2
import numpy as np

WIDE, TALL = (224, 288), (288, 224)  # height x width


def canvas(image: np.ndarray) -> tuple[int, int]:
    """Height and width of the canvas for a picture (H, W, ...)."""
    return TALL if image.shape[0] > image.shape[1] else WIDE


def fit_to_canvas(image: np.ndarray) -> np.ndarray:
    """A picture of any size, (H, W, 3) uint8 -> the same on its canvas; itself if it is of that size already."""
    height, width = canvas(image)
    if image.shape[:2] == (height, width):
        return image
    shrinks = image.shape[0] >= height and image.shape[1] >= width
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


PREVIEW_SIDE = 360  # pixels: the short side of a picture that is kept to look at, enough for that and for the canvas
