"""Many different clips and photos, made of the three samples, as uploads for the load test."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import cv2
import numpy as np

from pipeline.media.samples import BIKES, BUNNY, CARPHONE, Source, source_path

SIZES = [(320, 240), (480, 270), (640, 360)]
RATE = 10  # pictures per second
PHOTO_EVERY = 8  # every eighth file is a photo


def different_files(count: int, folder: Path) -> list[Path]:
    """H.264 clips of 3 to 6 s, which browsers play, and some JPEGs; the same files in every run."""
    pictures = [list(sample(source)) for source in (BIKES, CARPHONE, BUNNY)]
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda k: variant(k, pictures[k % len(pictures)], folder), range(count)))


def sample(clip: Source) -> Iterator[np.ndarray]:
    """Every second picture of a sample, (H, W, 3) BGR."""
    source = cv2.VideoCapture(str(source_path(clip)))
    while source.grab():
        ok, picture = source.retrieve()
        if ok:
            yield picture
        source.grab()


def variant(number: int, pictures: list[np.ndarray], folder: Path) -> Path:
    """A part of the sample, cropped and tinted, that starts at a random picture."""
    rng = np.random.default_rng(number)
    size = SIZES[rng.integers(len(SIZES))]
    height, width = pictures[0].shape[:2]
    share = rng.uniform(0.6, 0.9)
    top, left = (int(rng.uniform(0, 1 - share) * side) for side in (height, width))
    tint, first = rng.uniform(0.7, 1.2, 3), int(rng.integers(len(pictures)))

    def picture(k: int) -> np.ndarray:
        whole = pictures[(first + k) % len(pictures)]
        part = cv2.resize(whole[top : top + int(share * height), left : left + int(share * width)], size)
        return np.clip(part * tint, 0, 255).astype(np.uint8)

    if number % PHOTO_EVERY == PHOTO_EVERY - 1:
        path = folder / f"{number}.jpg"
        cv2.imwrite(str(path), picture(0))
        return path
    path = folder / f"{number}.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "superfast"})
        stream.width, stream.height = size
        for k in range(int(rng.uniform(3, 6) * RATE)):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(k), "bgr24")))
        container.mux(stream.encode())
    return path
