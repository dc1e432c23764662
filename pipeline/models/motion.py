"""What moves, as a picture: the difference between a frame and the one 0.2 s later, in a form a CNN can read.

A single frame cannot tell a squat from a lunge. ``127 + 1.5 * (later - now)`` keeps standing things grey and draws
moving edges in light and dark, so the same pretrained CNN that reads frames reads motion too: on the eleven fitness
and make-up classes of UCF101 its features of this picture say more than those of the frame itself.
"""

from __future__ import annotations

import cv2
import numpy as np

GAIN = 1.5  # a moving edge of contrast 85 of 255 uses the full range
GREY = 127.0


def difference_image(now: np.ndarray, later: np.ndarray) -> np.ndarray:
    """Two (H, W, 3) uint8 images of one size -> (H, W, 3) uint8; grey where nothing changed."""
    return cv2.addWeighted(later, GAIN, now, -GAIN, GREY)  # rounded, and cut off at 0 and 255
