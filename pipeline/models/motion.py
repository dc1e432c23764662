"""Motion as an image: the difference between a frame and the one 0.2 s later, which the CNN can encode.

A single frame cannot tell a squat from a lunge. In ``127 + 1.5 * (later - now)`` still things are grey and moving edges
are light and dark, so the pretrained CNN that encodes frames can encode motion too. On the eleven fitness and make-up
classes of UCF101 the features of this image are more accurate than those of the frame.
"""

from __future__ import annotations

import cv2
import numpy as np

GAIN = 1.5  # a moving edge with a contrast of 85 of 255 uses the full range
GREY = 127.0


def difference_image(now: np.ndarray, later: np.ndarray) -> np.ndarray:
    """Two (H, W, 3) uint8 images of one size -> (H, W, 3) uint8, grey where nothing changed."""
    return cv2.addWeighted(later, GAIN, now, -GAIN, GREY)  # rounded, and cut off at 0 and 255
