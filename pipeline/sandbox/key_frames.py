"""Long clips, read at their key frames: a decoder can begin there without what came before.

Where frames are wanted farther apart than a clip's key frames are, most of its pictures need not be decoded. A first
pass goes over the packets and decodes none (an hour in a third of a second), which shows where the key frames are and
how long the clip really is; then, for each frame wanted, decoding begins at one of them and goes on just long enough to
see what moves.
"""

from __future__ import annotations

from collections.abc import Generator
from itertools import pairwise
from pathlib import Path

import cv2

from pipeline.canvas import fit_to_canvas
from pipeline.limits import MAX_SECONDS
from pipeline.sandbox.messages import ClipEnd, ClipInfo, Frame
from pipeline.sandbox.opencv_reader import OpenCvReader, opened_by_opencv
from pipeline.sandbox.pictures import make_frame
from pipeline.sandbox.sampling import MOTION_GAP, STRIDE, TIME_SLACK, stride_exponent_for
from pipeline.sandbox.videos import Video

FROM = 6.4  # seconds between frames wanted: below that, key frames are seldom near enough
SPARSE = 1.0  # seconds between key frames on average: codecs of nothing but key frames gain nothing
LOOKED_AT = 20  # pictures before that is judged
PACKETS = -1  # for cv2.CAP_PROP_FORMAT: grab() then reads a packet and leaves it as it is
SEEK_MARGIN = 17  # pictures: cv2 begins at the key frame before the 16th picture before the one it is to find


def read_at_key_frames(
    path: Path, name: str, video: Video, max_steps: int
) -> Generator[ClipInfo | Frame | ClipEnd, None, bool]:
    """The frames of a long video; returns whether that was all of them. It was not if the video is short, or if its key
    frames are too rare, too many, or cannot be found again: then it must be read picture by picture."""
    claimed = video.claimed_duration
    stretch = stretch_for(claimed, max_steps)
    if stretch < FROM:
        return False
    keys = key_times(path, name, video, stretch)
    stretch = stretch_for(keys[-1], max_steps) if len(keys) > 1 else 0
    if stretch < FROM or max(b - a for a, b in pairwise(keys)) > stretch:
        return False
    firsts = {int((key + TIME_SLACK) / stretch): key for key in reversed(keys)}  # of each stretch
    times: list[float] = []
    with opened_by_opencv(path, name, video) as reader:
        yield ClipInfo("video", *reader.size, video.mime, claimed + video.start)
        for key in sorted(firsts.values()):
            frame = frame_after(reader, key, len(times))
            if frame is None:
                return False
            yield frame
            times.append(frame.time)
        if claimed > keys[-1] + stretch and lasts(reader.capture, keys[-1] + stretch):
            return False
    yield ClipEnd(claimed if keys[-1] <= claimed <= keys[-1] + stretch else times[-1], tuple(times))
    return True


def lasts(capture: cv2.VideoCapture, until: float) -> bool:
    """Whether there are pictures after that time, from where the last frame was read on."""
    while capture.grab():
        if capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 > until:
            return True
    return False


def stretch_for(seconds: float, max_steps: int) -> float:
    """How far apart frames will be in a clip of this length, in seconds; 0 if it is unknown."""
    stride_exponent = stride_exponent_for(seconds, max_steps)
    return 0.0 if stride_exponent is None else STRIDE * 2**stride_exponent


def key_times(path: Path, name: str, video: Video, farthest: float) -> list[float]:
    """When the key frames are shown, in seconds, as their packets say; empty if two of them are farther apart, if they
    are not sparse, or if that cannot be told."""
    found: list[float] = []
    with opened_by_opencv(path, name, video) as reader:
        capture = reader.capture
        if not capture.set(cv2.CAP_PROP_FORMAT, PACKETS):
            return []
        first = None
        while capture.grab():
            stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            first = stamp if first is None else first
            if not capture.get(cv2.CAP_PROP_LRF_HAS_KEY_FRAME):
                continue
            time = stamp - first
            if time > MAX_SECONDS or (found and not found[-1] < time <= found[-1] + farthest):
                return []
            found.append(time)
            if len(found) == LOOKED_AT and time < LOOKED_AT * SPARSE:
                return []
    return found


def frame_after(reader: OpenCvReader, key: float, index: int) -> Frame | None:
    """The frame a moment after a key frame, and its later one; None if the file cannot be read from there."""
    capture = reader.capture
    at = key + SEEK_MARGIN / capture.get(cv2.CAP_PROP_FPS)
    if not capture.set(cv2.CAP_PROP_POS_MSEC, 1000 * at) or not capture.grab():
        return None
    time = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
    picture = reader.picture()
    if picture is None or not key <= time <= at + STRIDE:
        return None
    while capture.grab():
        if capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 >= time + MOTION_GAP - TIME_SLACK:
            later = reader.picture()
            is_alike = later is not None and later.shape == picture.shape
            return make_frame(index, time, picture, fit_to_canvas(later) if is_alike else None)
    return make_frame(index, time, picture)
