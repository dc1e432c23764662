"""Clips to measure with, made of the sample "bunny": H.264, 1280 x 720, 25 pictures a second, as phones make them."""

from __future__ import annotations

from itertools import cycle, islice
from pathlib import Path

import av
import cv2
import numpy as np

from pipeline.media.samples import sample_path

RATE = 25  # pictures a second
KEY_FRAMES = 10  # seconds apart, which is what libx264 does by itself


def pictures() -> list[np.ndarray]:
    """The sample's pictures forwards and backwards, so that it can go on for ever without a cut."""
    capture, found = cv2.VideoCapture(str(sample_path("bunny"))), []
    while True:
        ok, picture = capture.read()
        if not ok:
            return found + found[-2:0:-1]
        found.append(picture)


def write_clip(path: Path, seconds: int) -> None:
    """A clip that is no longer than a minute; for longer ones see looped()."""
    frames = [av.VideoFrame.from_ndarray(picture, "bgr24") for picture in pictures()]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "crf": "26"})
        stream.height, stream.width, stream.gop_size = frames[0].height, frames[0].width, KEY_FRAMES * RATE
        for k, frame in enumerate(islice(cycle(frames), seconds * RATE)):
            frame.pts = k
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def looped(source: Path, path: Path, times: int) -> None:
    """The same clip over and over, without encoding anything again."""
    with av.open(str(source)) as given, av.open(str(path), "w") as container:
        packets = [packet for packet in given.demux(video=0) if packet.dts is not None]
        stream = container.add_stream_from_template(given.streams.video[0])
        stamps = [(packet.pts, packet.dts) for packet in packets]
        length = max(packet.pts + packet.duration for packet in packets)
        for turn in range(times):
            for packet, (pts, dts) in zip(packets, stamps, strict=True):
                packet.pts, packet.dts, packet.stream = pts + turn * length, dts + turn * length, stream
                container.mux(packet)
