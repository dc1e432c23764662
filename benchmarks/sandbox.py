"""What it costs to decode in a child process, on a 20 s clip of 1280 x 720.

    python -m benchmarks.sandbox [--rounds 5]

The clip is the sample "bunny" played over and over (H.264 is not among what OpenCV writes; MPEG-4 stands in for it).
Both ways take turns; printed are medians and their ratio.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import cv2

from pipeline.footage import decode
from pipeline.media import MAX_STEPS, read_clip
from pipeline.samples import sample_path

SECONDS, RATE = 20, 25


def write_clip(path: Path) -> None:
    source = cv2.VideoCapture(str(sample_path("bunny")))
    pictures = []
    while True:
        ok, picture = source.read()
        if not ok:
            break
        pictures.append(picture)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), RATE, (1280, 720))
    for k in range(SECONDS * RATE):
        writer.write(pictures[k % len(pictures)])
    writer.release()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        write_clip(path)
        ways = {
            "in this process": lambda: decode(path, MAX_STEPS, "clip"),
            "in a child": lambda: read_clip(path),
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(rounds + 1):
            for name, read in ways.items():
                started = time.perf_counter()
                read()
                if turn:  # the first turn warms both up
                    seconds[name].append(time.perf_counter() - started)
    here, there = (statistics.median(each) for each in seconds.values())
    print(f"in this process {here:.2f} s, in a child {there:.2f} s: {there / here:.2f} times")


if __name__ == "__main__":
    main()
