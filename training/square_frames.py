"""The frames that the video encoder reads: a clip's frames as squares of its size."""

from __future__ import annotations

from typing import Literal

import numpy as np

from pipeline.media import Clip
from pipeline.media.clip import decode_jpeg
from pipeline.models.video_encoder import video_frame

View = Literal["fitted", "central"]  # the whole picture squeezed to the square; its central square


def square_frames(clip: Clip, view: View = "fitted") -> np.ndarray:
    """-> (T, SIDE, SIDE, 3) uint8 RGB, one for each frame of the clip."""
    return np.stack([square(decode_jpeg(frame.preview_jpeg), view) for frame in clip.frames])


def square(image: np.ndarray, view: View = "fitted") -> np.ndarray:
    """An image of any size, (H, W, 3) uint8 -> (SIDE, SIDE, 3)."""
    if view == "central":
        height, width = image.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        image = image[top : top + side, left : left + side]
    return video_frame(image)
