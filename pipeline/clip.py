"""What a file holds once it has been read: frames with their times, or a sentence why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np


class MediaError(Exception):
    """A file that cannot be read; the message is one sentence for the person who chose the file."""


@dataclass(frozen=True)
class Frame:
    """One kept picture of a clip.

    ``index`` counts kept frames from 0, ``time`` is in seconds from the clip's first picture, ``image`` is
    (H, W, 3) uint8 RGB, and ``later`` is the picture MOTION_GAP seconds on, of the same shape, or None where
    there is none (photos, folders, the end of a clip).
    """

    index: int
    time: float
    image: np.ndarray
    later: np.ndarray | None = None


@dataclass(frozen=True)
class Clip:
    """What was read of one file: at least one frame. ``duration`` is the last picture's time in seconds."""

    kind: Literal["video", "photo", "folder"]
    frames: tuple[Frame, ...]
    duration: float
    width: int  # of the file's pictures, upright, in pixels
    height: int
    mime: str | None = None  # of a video that today's browsers play as it is, else None
