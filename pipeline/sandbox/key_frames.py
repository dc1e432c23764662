"""Reads long videos at their key frames: decoding can start at a key frame without the pictures before it.

If the bursts of a clip are farther apart than its key frames, most pictures need not be decoded. A first pass reads the
packets without decoding (an hour in a third of a second). It finds the key frames and the true duration. Then decoding
starts at one key frame for each burst of the clip, and stops after the burst.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from itertools import pairwise

import cv2

from pipeline.limits import MAX_SECONDS
from pipeline.sandbox.messages import ClipEnd, ClipInfo, Frame
from pipeline.sandbox.opencv_reader import OpenCvReader, opened_by_opencv
from pipeline.sandbox.opened_file import MediaFile
from pipeline.sandbox.pictures import make_frame
from pipeline.sandbox.sampling import BURST, SLOT, TIME_SLACK, slot_of
from pipeline.sandbox.videos import Video

BURST_SECONDS = BURST * SLOT
MIN_INTERVAL = 4 * BURST_SECONDS  # between bursts: in denser clips key frames are seldom near enough
SPARSE = 1.0  # seconds between key frames on average: codecs of nothing but key frames gain nothing
MIN_PICTURES = 20  # read before SPARSE is judged
PACKETS = -1  # for cv2.CAP_PROP_FORMAT: grab() then reads a packet and leaves it as it is
SEEK_MARGIN = 17  # pictures: cv2 seeks to the key frame before the 16th picture before its target


def read_at_key_frames(
    file: MediaFile, name: str, video: Video, max_steps: int
) -> Generator[ClipInfo | Frame | ClipEnd, None, bool]:
    """The frames of a long video. Returns whether the clip is complete.

    It is not if the video is short, or if its key frames are too rare, too many, or cannot be found again. Then the
    video must be read picture by picture.
    """
    claimed = video.claimed_duration
    interval = interval_for(claimed, max_steps)
    if interval < MIN_INTERVAL:
        return False
    keys = key_times(file, name, video, interval)
    interval = interval_for(keys[-1], max_steps) if len(keys) > 1 else 0
    if interval < MIN_INTERVAL or max(b - a for a, b in pairwise(keys)) > interval:
        return False
    times: list[float] = []
    with opened_by_opencv(file, name, video) as reader:
        yield ClipInfo("video", *reader.size, video.mime, claimed + video.start)
        for key in burst_starts(keys, interval):
            before = len(times)
            for frame in burst_after(reader, key, before):
                yield frame
                times.append(frame.time)
            if len(times) == before:
                return False
        if claimed > keys[-1] + interval and has_frames_after(reader.capture, keys[-1] + interval):
            return False
    yield ClipEnd(claimed if keys[-1] <= claimed <= keys[-1] + interval else times[-1], tuple(times))
    return True


def has_frames_after(capture: cv2.VideoCapture, until: float) -> bool:
    """Whether there are pictures after a time, searched from the last frame that was read."""
    while capture.grab():
        if capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 > until:
            return True
    return False


def interval_for(seconds: float, max_steps: int) -> float:
    """Seconds between the bursts of a clip of this duration; 0 if the duration is unknown."""
    interval = BURST_SECONDS if seconds > 0 else 0.0
    while interval and int(seconds / interval) >= max_steps // BURST:
        interval *= 2
    return interval


def burst_starts(keys: Sequence[float], interval: float) -> list[float]:
    """The first key frame of each interval that does not lie within the burst before."""
    starts: list[float] = []
    for key in keys:
        number = int((key + TIME_SLACK) / interval)
        if not starts or (key >= starts[-1] + BURST_SECONDS and number > int((starts[-1] + TIME_SLACK) / interval)):
            starts.append(key)
    return starts


def key_times(file: MediaFile, name: str, video: Video, farthest: float) -> list[float]:
    """The times of the key frames in seconds, from their packets; empty if two of them are farther apart than
    ``farthest``, if they are not sparse, or if the packets have no times."""
    found: list[float] = []
    with opened_by_opencv(file, name, video) as reader:
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
            if len(found) == MIN_PICTURES and time < MIN_PICTURES * SPARSE:
                return []
    return found


def burst_after(reader: OpenCvReader, key: float, index: int) -> Iterator[Frame]:
    """The frames of the burst that begins after a key frame; none if the file cannot be read from there. ``index`` is
    that of the first one."""
    capture = reader.capture
    at = key + SEEK_MARGIN / capture.get(cv2.CAP_PROP_FPS)
    if not capture.set(cv2.CAP_PROP_POS_MSEC, 1000 * at) or not capture.grab():
        return
    start = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
    if not key <= start <= at + SLOT:
        return
    time, next_slot = start, 0
    while (slot := slot_of(time - start)) < BURST:
        if slot >= next_slot and (picture := reader.picture()) is not None:
            yield make_frame(index, time, picture)
            index, next_slot = index + 1, slot + 1
        if not capture.grab():
            return
        time = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
