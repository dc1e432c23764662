"""A copy of a video that every browser plays: H.264 in mp4, small, silent, on the clock of the frames that were read.

PyAV encodes it (libx264). OpenCV's own writer knows no H.264, and for VP8 it takes some twenty times as long and nine
times the bytes (python -m benchmarks playable). The pictures come from the same readers as the frames, so the copy
shows them in the same shape, colours and order of fields, at the same times.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO

import av
import numpy as np

from pipeline.limits import COPY_MEGABYTES, COPY_SECONDS
from pipeline.sandbox.decode import opened_pictures
from pipeline.sandbox.messages import MediaError
from pipeline.sandbox.opencv_reader import ConversionError
from pipeline.sandbox.opened_file import MediaFile
from pipeline.sandbox.sampling import PictureReader

CLOCK = Fraction(1, 1000)  # seconds: the unit of a picture's time
CLOSEST = 1 / 31  # seconds between pictures: no more than 30 a second
OPTIONS = {"preset": "superfast", "crf": "27", "profile": "baseline"}


def copy(file: MediaFile, name: str) -> bytes:
    """The first COPY_SECONDS of the video as mp4, as far as COPY_MEGABYTES hold them; each picture has its own time.

    Where the picture begins after the sound, its first picture is shown until then. Raises MediaError if the file holds
    no picture.
    """
    try:
        with opened_pictures(file, name) as (reader, start):
            return encoded(reader, start, name)
    except ConversionError:
        with opened_pictures(file, name, by_opencv=False) as (reader, start):
            return encoded(reader, start, name)


def encoded(reader: PictureReader, start: float, name: str) -> bytes:
    """The pictures as mp4; the first of them is shown ``start`` seconds after the beginning."""
    target = BytesIO()
    pictures = shown(reader)
    time, first = next(pictures, (0.0, None))
    if first is None:
        raise MediaError(f"{name} holds no picture that can be decoded.")
    with av.open(target, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=30, options=OPTIONS)
        stream.height, stream.width, stream.time_base = *first.shape[:2], CLOCK
        if start + time > 0:
            write(container, stream, 0.0, first)
        write(container, stream, start + time, first)
        for time, picture in pictures:
            if start + time > COPY_SECONDS or target.tell() > 0.95 * COPY_MEGABYTES * 10**6:
                break
            if picture.shape == first.shape:
                write(container, stream, start + time, picture)
        container.mux(stream.encode())
    return target.getvalue()


def shown(reader: PictureReader) -> Iterator[tuple[float, np.ndarray]]:
    """Pictures with their times in seconds: (H, W, 3) uint8 BGR, of preview size, of even sides."""
    last = -CLOSEST
    for time in reader.times():
        if time < last + CLOSEST:
            continue
        picture = reader.picture()
        if picture is None:
            continue
        height, width = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
        if min(height, width) > 0:
            yield time, np.ascontiguousarray(picture[:height, :width])
            last = time


def write(container: av.container.OutputContainer, stream: av.VideoStream, time: float, picture: np.ndarray) -> None:
    frame = av.VideoFrame.from_ndarray(picture, "bgr24")
    frame.pts, frame.time_base = round(time / CLOCK), CLOCK
    container.mux(stream.encode(frame))
