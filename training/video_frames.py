"""Cache the pictures that the video encoder is tuned on: every real clip as one or three small videos.

    python -m training.video_frames --more ../data-more --out ../cache/frames

The whole picture is squeezed to SIDE x SIDE pixels, a little more than the encoder reads, so that training can crop.
Clips of up to LONG seconds are stored once, from the beginning. Of a longer clip three intervals of SPAN seconds are
stored. The rate is higher than the 5 frames a second that the encoder reads, so that training can vary speed and phase.
One encoding for all (H.264, CRF) makes the sources more alike. The middle frame of each MSR-VTT video is stored as a
still. ``clips.json`` lists all of them with source, group, label, rate and number of frames.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import av
import cv2
import numpy as np

from training.data import load_items
from training.video_features import VideoClip, real_clips

SIDE = 192  # pixels
SHORT, LONG, SPAN = 3.0, 14.0, 5.2  # seconds
PLACES = (0.2, 0.5, 0.8)  # middles of the intervals of a long clip, as shares of its length
MAX_SECONDS = 180.0  # nothing is read after this time
CRF, PRESET = "28", "fast"  # of x264
JPEG_QUALITY = 72  # of stills


@dataclass(frozen=True)
class SmallVideo:
    """One stored interval, or a still. ``clip`` numbers the clips: the intervals of one clip share it; -1: a still."""

    file: str
    clip: int
    source: str
    group: str
    label: str | None
    path: str
    rate: int  # frames a second; 0: a still
    frames: int


def intervals(path: str) -> tuple[int, list[list[np.ndarray]]]:
    """The rate, and the pictures of each interval of a video, (SIDE, SIDE, 3) uint8 BGR."""
    capture = cv2.VideoCapture(path)
    rate_in = capture.get(cv2.CAP_PROP_FPS)
    rate_in = rate_in if 1 <= rate_in <= 240 else 25.0
    seconds = capture.get(cv2.CAP_PROP_FRAME_COUNT) / rate_in
    rate = 20 if seconds < SHORT else 10 if seconds <= LONG else 8
    spans = [(0.0, LONG)] if seconds <= LONG else [((p * seconds) - SPAN / 2, p * seconds + SPAN / 2) for p in PLACES]
    found: list[list[np.ndarray]] = [[] for _ in spans]
    due = [start for start, _ in spans]
    number = 0
    while capture.grab() and (time := number / rate_in) <= min(spans[-1][1], MAX_SECONDS):
        number += 1
        for k, (start, end) in enumerate(spans):
            if start <= time < end and time >= due[k] - 1e-3:
                due[k] = max(due[k] + 1 / rate, time - 1 / rate)
                ok, picture = capture.retrieve()
                if ok:
                    found[k].append(squeezed(picture))
    return rate, [pictures for pictures in found if len(pictures) > 1]


def squeezed(picture: np.ndarray) -> np.ndarray:
    shrinks = min(picture.shape[:2]) >= SIDE
    return cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def encode_video(pictures: Sequence[np.ndarray], rate: int, path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": CRF, "preset": PRESET})
        stream.width = stream.height = SIDE
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())


def cache_clip(numbered: tuple[int, VideoClip], out: Path) -> list[SmallVideo]:
    number, clip = numbered
    rate, found = intervals(clip.path)
    videos = []
    for k, pictures in enumerate(found):
        file = f"{number:05d}_{k}.mp4"
        encode_video(pictures, rate, out / file)
        labelled = (clip.source, clip.group, clip.label, clip.path)
        videos.append(SmallVideo(file, number, *labelled, rate, len(pictures)))
    return videos


def cache_stills(out: Path) -> list[SmallVideo]:
    """The middle frame of each MSR-VTT video."""
    stills = []
    for number, item in enumerate(i for i in load_items() if i.source == "msrvtt"):
        path = str(item.paths[len(item.paths) // 2])
        picture = cv2.imread(path)
        assert picture is not None, path
        file = f"still{number:05d}.jpg"
        cv2.imwrite(str(out / file), squeezed(picture), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        stills.append(SmallVideo(file, -1, item.source, item.group, item.label, path, 0, 1))
    return stills


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--more", type=Path, help="the folder that ../shared/data/more/build.py wrote")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    clips = list(enumerate(real_clips(arguments.more)))
    videos = cache_stills(arguments.out)
    with Pool(2) as pool:
        for found in pool.imap(partial(cache_clip, out=arguments.out), clips, 8):
            videos += found
    (arguments.out / "clips.json").write_text(json.dumps([asdict(video) for video in videos]))
    print(f"{len(clips)} clips, {len(videos)} videos, {sum(video.frames for video in videos)} frames")


if __name__ == "__main__":
    main()
