"""A copy of a video that every browser plays: H.264 in mp4, small, silent, on the clock of the frames that were read.

PyAV encodes it (libx264); cv2 decodes, behind the same gate as ever, so FFmpeg's second copy never sees a stranger's
file. cv2's own writer knows no H.264, and for VP8 it takes some twenty times as long and nine times the bytes
(python -m benchmarks playable).
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import cv2
import numpy as np

from pipeline.limits import COPY_MEGABYTES, COPY_SECONDS
from pipeline.sandbox.messages import MediaError
from pipeline.sandbox.pictures import shrink_to_preview
from pipeline.sandbox.sampling import frame_times
from pipeline.sandbox.videos import open_video

CLOCK = Fraction(1, 1000)  # seconds: the unit of a picture's time
CLOSEST = 1 / 31  # seconds between pictures: no more than 30 a second
OPTIONS = {"preset": "superfast", "crf": "27", "profile": "baseline"}


def copy(path: Path, name: str) -> bytes:
    """The first COPY_SECONDS of the video as mp4, as far as COPY_MEGABYTES hold them; each picture has its own time.

    Raises MediaError if it holds no picture.
    """
    target = BytesIO()
    with open_video(path, name) as capture:
        pictures = shown(capture)
        time, first = next(pictures, (0.0, None))
        if first is None:
            raise MediaError(f"{name} holds no picture that can be decoded.")
        with av.open(target, "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=30, options=OPTIONS)
            stream.height, stream.width, stream.time_base = *first.shape[:2], CLOCK
            write(container, stream, time, first)
            for time, picture in pictures:
                if time > COPY_SECONDS or target.tell() > 0.95 * COPY_MEGABYTES * 10**6:
                    break
                if picture.shape == first.shape:
                    write(container, stream, time, picture)
            container.mux(stream.encode())
    return target.getvalue()


def shown(capture: cv2.VideoCapture) -> Iterator[tuple[float, np.ndarray]]:
    """Pictures with their times in seconds: (H, W, 3) uint8 BGR, bounded, of even sides."""
    last = -CLOSEST
    for time in frame_times(capture):
        if time < last + CLOSEST:
            continue
        ok, picture = capture.retrieve()
        if ok and picture is not None and picture.size:
            picture = shrink_to_preview(picture)
            height, width = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
            if min(height, width) > 0:
                yield time, np.ascontiguousarray(picture[:height, :width])
                last = time


def write(container: av.container.OutputContainer, stream: av.VideoStream, time: float, picture: np.ndarray) -> None:
    frame = av.VideoFrame.from_ndarray(picture, "bgr24")
    frame.pts, frame.time_base = round(time / CLOCK), CLOCK
    container.mux(stream.encode(frame))
