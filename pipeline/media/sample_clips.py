"""Makes sample clips: pieces of clips that packages ship, cut, joined and encoded as one video that browsers play.

The sources are trusted, because they were installed with the app; so they are decoded in this process. Nothing is
written to disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np

RATE = 24  # pictures a second
# So that a sample has the same bytes in every process: with several threads, or with these two tools of x264 (they read
# memory that nothing was written to), it has not.
ENCODING = {"crf": "23", "preset": "veryfast", "threads": "1", "x264-params": "mbtree=0:weightp=0"}


class Piece(NamedTuple):
    """A part of a file: from ``start`` to ``end``, in seconds."""

    path: Path
    start: float
    end: float


def join(pieces: Sequence[Piece], size: tuple[int, int]) -> bytes:
    """The pieces one after the other as an MP4 (H.264) of this width and height, both even."""
    buffer = BytesIO()
    with av.open(buffer, "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=RATE, options=ENCODING)
        stream.width, stream.height = size
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", Fraction(1, RATE)
        pictures = (picture for piece in pieces for picture in piece_pictures(piece, size))
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return buffer.getvalue()


def still(piece: Piece, size: tuple[int, int]) -> bytes:
    """The first picture of a piece as a JPEG of this width and height."""
    picture = next(piece_pictures(piece, size))
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92])
    return jpeg.tobytes()


def piece_pictures(piece: Piece, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """The pictures of a piece, RATE a second, each (H, W, 3) uint8 RGB of this width and height."""
    wanted = piece.start
    with av.open(str(piece.path)) as file:
        video = file.streams.video[0]
        begins = float((video.start_time or 0) * (video.time_base or 0))
        for frame in file.decode(video):
            time = float(frame.time or 0.0) - begins
            if time >= piece.end:
                return
            while wanted <= time + 1e-6 and wanted < piece.end:
                yield fitted(frame.to_ndarray(format="rgb24"), size)
                wanted += 1 / RATE


def fitted(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The picture scaled to fill this width and height; what stands out is cut off evenly."""
    width, height = size
    scale = max(width / picture.shape[1], height / picture.shape[0])
    across, down = max(width, round(picture.shape[1] * scale)), max(height, round(picture.shape[0] * scale))
    large = cv2.resize(picture, (across, down), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    left, top = (across - width) // 2, (down - height) // 2
    return np.ascontiguousarray(large[top : top + height, left : left + width])
