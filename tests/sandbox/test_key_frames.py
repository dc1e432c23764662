"""Long clips are read at their key frames, and say the same as if every picture had been decoded."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.media.clip import Clip, ClipStream
from pipeline.media.reader import MAX_STEPS
from pipeline.sandbox.decode import decode
from pipeline.sandbox.key_frames import SEEK_MARGIN, burst_starts, key_times
from pipeline.sandbox.opencv_reader import opened_by_opencv
from pipeline.sandbox.sampling import BURST, SLOT, sample_frames
from pipeline.sandbox.videos import inspect

SECONDS, RATE = 240, 10


@pytest.fixture(scope="module")
def make_long(tmp_path_factory):
    """make_long(every, suffix): H.264 with a key frame every so many pictures; brightness tells the time. With the
    preset "veryfast" pictures come in another order than they are shown in."""

    def make(every: int, suffix: str = "mp4", preset: str = "ultrafast") -> Path:
        path = tmp_path_factory.mktemp("long") / f"clip.{suffix}"
        with av.open(str(path), "w") as container:
            stream = container.add_stream(
                "libx264", rate=RATE, options={"preset": preset, "crf": "10", "sc_threshold": "0"}
            )
            stream.width, stream.height, stream.gop_size = 64, 48, every
            for n in range(SECONDS * RATE):
                picture = np.full((48, 64, 3), 10 + 240 * n // (SECONDS * RATE), np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
            container.mux(stream.encode())
        return path

    return make


def brightness(time: float) -> float:
    return 10 + 240 * time / SECONDS


def whole(path: Path) -> Clip:
    return ClipStream(decode(path, MAX_STEPS, "clip")).clip()


def bursts(clip: Clip) -> list[np.ndarray]:
    """The times of the frames of each burst."""
    times = np.array([frame.time for frame in clip.frames])
    return np.split(times, np.flatnonzero(np.diff(times) > 2 * SLOT) + 1)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "mov", "ts"])
def test_bursts_are_true_and_evenly_spread(make_long, suffix):
    path = make_long(40, suffix)
    clip = whole(path)
    assert clip.duration == pytest.approx(SECONDS, abs=0.3)
    assert MAX_STEPS / 2 < len(clip.frames) <= MAX_STEPS
    for burst in bursts(clip):
        assert len(burst) == BURST
        assert np.diff(burst) == pytest.approx(SLOT, abs=0.01)
    starts = [burst[0] for burst in bursts(clip)]
    assert np.diff(starts) == pytest.approx(np.mean(np.diff(starts)), abs=4.0)  # as near as key frames are
    assert clip.duration - starts[-1] < 2 * max(np.diff(starts))
    for frame in clip.frames:
        assert frame.image.mean() == pytest.approx(brightness(frame.time), abs=3)


@pytest.mark.parametrize("preset", ["ultrafast", "veryfast"])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
def test_they_are_found_where_they_are(make_long, suffix, preset):
    path = make_long(40, suffix, preset)
    assert key_times(path, "clip", inspect(path, "clip"), 12.8) == pytest.approx(
        [4.0 * k for k in range(SECONDS // 4)], abs=0.01
    )
    starts = np.array([burst[0] for burst in bursts(whole(path))])
    assert (starts - SEEK_MARGIN / RATE + 2) % 4 == pytest.approx(2, abs=0.01)


def test_bursts_do_not_overlap():
    keys = [0.0, 0.5, 12.7, 13.0, 14.4, 25.5, 25.7, 30.0]
    assert burst_starts(keys, 12.8) == [0.0, 13.0, 25.7]
    assert burst_starts([0.0, 12.5, 13.0, 14.4, 30.0], 12.8) == [0.0, 13.0, 30.0]
    assert burst_starts([0.0, 25.0, 25.7, 27.0], 12.8) == [0.0, 25.0, 27.0]


@pytest.mark.parametrize("every", [1, 2000])
def test_where_they_are_too_many_or_too_rare_every_picture_is_decoded(make_long, every):
    path = make_long(every)
    with opened_by_opencv(path, "clip", inspect(path, "clip")) as reader:
        *_, ended = sample_frames(reader, "clip", MAX_STEPS, None)
    clip = whole(path)
    assert [frame.time for frame in clip.frames] == list(ended.times)
    assert clip.duration == ended.duration
