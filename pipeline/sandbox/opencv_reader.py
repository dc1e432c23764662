"""Ordinary videos are decoded by OpenCV.

Every picture is ``grab()``-ed (decoded), only the wanted ones are ``retrieve()``-d (converted). Seeking to each frame
instead is several times slower, and needs a frame count, which files lie about.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import cv2
import numpy as np

from pipeline.sandbox.formats import CONTAINERS
from pipeline.sandbox.messages import MediaError
from pipeline.sandbox.opened_file import MediaFile, for_ffmpeg
from pipeline.sandbox.pictures import check_pixels, shown_size, shrink_to_preview
from pipeline.sandbox.sampling import rising_times
from pipeline.sandbox.videos import Video

OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
REFERRED_TO = {"avdiscard": "nonref"}  # FFmpeg then leaves out the pictures that no other one refers to
SMALL = 480 * 360  # pixels: of such pictures, several threads take a tenth more CPU time and no less by the clock


class ConversionError(Exception):
    """OpenCV could not convert a picture, so nothing that it gave of this file is to be believed."""


class ConversionLog:
    """FFmpeg's complaints about conversions. OpenCV says True to a conversion that failed, and gives what is in its
    memory, an older picture or none at all; only FFmpeg's log, on standard error, tells the truth.

    Takes this process's standard error; FFmpeg must be allowed to log (see fork_server).
    """

    def __init__(self) -> None:
        self._readable, writable = os.pipe()
        os.set_blocking(self._readable, False)
        os.set_blocking(writable, False)
        os.dup2(writable, 2)
        os.close(writable)

    def take(self) -> bytes:
        """What was logged since the last call."""
        try:
            return os.read(self._readable, 1 << 20)
        except BlockingIOError:
            return b""

    def has_failures(self) -> bool:
        return b"swscaler" in self.take()


log: ConversionLog | None = None  # of a decoding child


class OpenCvReader:
    """The pictures of a video in order (see sampling.PictureReader)."""

    def __init__(self, capture: cv2.VideoCapture, video: Video) -> None:
        self.capture, self._video = capture, video
        turned = int(capture.get(cv2.CAP_PROP_ORIENTATION_META)) % 180 == 90
        self._shape = 1 / video.pixel_shape if turned else video.pixel_shape
        self.size = shown_size(*frame_size(capture), self._shape)
        self.rate = capture.get(cv2.CAP_PROP_FPS)

    def times(self) -> Iterator[float]:
        return rising_times(self._stamps(), self.rate)

    def _stamps(self) -> Iterator[float | None]:
        while self.capture.grab():
            yield self.capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0

    def picture(self) -> np.ndarray | None:
        """Raises ConversionError if OpenCV could not convert it."""
        if log is not None:
            log.take()
        ok, picture = self.capture.retrieve()
        if log is not None and log.has_failures():
            raise ConversionError
        return shrink_to_preview(picture, self._shape) if ok and picture is not None and picture.size else None


@contextmanager
def opened_by_opencv(
    file: MediaFile, name: str, video: Video, only_referred_to: bool = False
) -> Iterator[OpenCvReader]:
    """The video, behind the same gate as in videos.inspect(). ``only_referred_to`` leaves out the pictures that no
    other picture refers to. Raises MediaError if OpenCV cannot open it."""
    # A damaged Theora is an error by several threads; one thread gives its first picture as if that were all of it.
    one_thread = video.pixels <= SMALL and video.codec != "theora"
    parameters = [cv2.CAP_PROP_N_THREADS, 1] if one_thread else []
    capture = _capture(file, REFERRED_TO if only_referred_to else {}, parameters)
    try:
        if not capture.isOpened():
            raise MediaError(f"{name} could not be read: it is damaged, or holds no picture.")
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)  # pictures, width and height then come upright
        check_pixels(name, *frame_size(capture))
        yield OpenCvReader(capture, video)
    except cv2.error as error:
        raise MediaError(f"{name} could not be decoded.") from error
    finally:
        capture.release()


def _capture(file: MediaFile, options: Mapping[str, str], parameters: list[int]) -> cv2.VideoCapture:
    """OpenCV takes FFmpeg's options from the environment only; no other video is to be opened with them.
    ``parameters`` are OpenCV's own: the numbers of properties, each with its value."""
    address, protocol = for_ffmpeg(file)
    all_options = {"format_whitelist": CONTAINERS, **protocol, **options}
    os.environ[OPTIONS] = "|".join(f"{name};{value}" for name, value in all_options.items())
    try:
        return cv2.VideoCapture(address, cv2.CAP_FFMPEG, parameters)
    finally:
        del os.environ[OPTIONS]


def frame_size(capture: cv2.VideoCapture) -> tuple[int, int]:
    """Width and height in pixels, upright, as the file claims."""
    return int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
