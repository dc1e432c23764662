"""Encoders for the browser copy: libx264 through PyAV against VP8 through OpenCV."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import av
import cv2

from benchmarks.clips import RATE, pictures
from benchmarks.results import Result, ratio, result, side_by_side
from pipeline.sandbox.browser_copy import OPTIONS
from pipeline.sandbox.pictures import shrink_to_preview

SECONDS = 5


def measure(rounds: int) -> Iterator[Result]:
    frames = list(islice(cycle([shrink_to_preview(picture) for picture in pictures()]), SECONDS * RATE))
    height, width = frames[0].shape[:2]
    with tempfile.TemporaryDirectory() as folder:
        h264, vp8 = (str(Path(folder) / name) for name in ("copy.mp4", "copy.webm"))

        def by_pyav() -> None:
            with av.open(h264, "w") as container:
                stream = container.add_stream("libx264", rate=RATE, options=OPTIONS)
                stream.height, stream.width = height, width
                for picture in frames:
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "bgr24")))
                container.mux(stream.encode())

        def by_cv2() -> None:
            writer = cv2.VideoWriter(vp8, cv2.VideoWriter_fourcc(*"VP80"), RATE, (width, height))
            for picture in frames:
                writer.write(picture)
            writer.release()

        seconds = side_by_side({"pyav": by_pyav, "cv2": by_cv2}, rounds)
        sizes = [os.path.getsize(path) / SECONDS / 1000 for path in (h264, vp8)]
    rates = [len(frames) / s for s in seconds["pyav"]]
    yield result("copy_over_vp8", rates, "pictures/s", ratio(seconds["cv2"], seconds["pyav"]), "cv2's VP8")
    yield result("copy_bytes_over_vp8", [sizes[0]], "KB/s", sizes[1] / sizes[0], f"cv2's VP8, {sizes[1]:.0f} KB/s")
