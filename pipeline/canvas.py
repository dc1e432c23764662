"""Image sizes: the canvas that the CNN reads, and the preview that people look at.

The canvas is 288 x 224 pixels or, for an image that is taller than wide, 224 x 288. This is near enough to the shapes
that cameras make, so the whole image is resized to it with little distortion and nothing is cropped.
"""

from __future__ import annotations

import cv2
import numpy as np

WIDE, TALL = (224, 288), (288, 224)  # height x width
PREVIEW_SIDE = 360  # pixels: the short side of a preview; it is larger than the canvas


def canvas(image: np.ndarray) -> tuple[int, int]:
    """Height and width of the canvas for an image (H, W, ...)."""
    return TALL if image.shape[0] > image.shape[1] else WIDE


def fit_to_canvas(image: np.ndarray) -> np.ndarray:
    """An image of any size, (H, W, 3) uint8 -> resized to its canvas; the same array if it has that size already."""
    height, width = canvas(image)
    if image.shape[:2] == (height, width):
        return image
    shrinks = image.shape[0] >= height and image.shape[1] >= width
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
