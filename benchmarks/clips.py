"""Clips for the benchmarks, made of the sample "bunny": H.264, 1280 x 720, 25 pictures per second, as phones do."""

from __future__ import annotations

from itertools import cycle, islice
from pathlib import Path

import av
import cv2
import numpy as np

from pipeline.media.samples import BUNNY, source_path

RATE = 25  # pictures per second
KEY_FRAME_INTERVAL = 10  # seconds, the default of libx264


def pictures() -> list[np.ndarray]:
    """The sample's pictures forwards, then backwards, so that repetition gives no cut."""
    capture, forwards = cv2.VideoCapture(str(source_path(BUNNY))), []
    while True:
        ok, picture = capture.read()
        if not ok:
            return forwards + forwards[-2:0:-1]
        forwards.append(picture)


def write_clip(path: Path, seconds: int) -> None:
    """Encode a clip of up to a minute. For longer clips see ``repeat_clip``."""
    frames = [av.VideoFrame.from_ndarray(picture, "bgr24") for picture in pictures()]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "crf": "26"})
        stream.height, stream.width, stream.gop_size = frames[0].height, frames[0].width, KEY_FRAME_INTERVAL * RATE
        for k, frame in enumerate(islice(cycle(frames), seconds * RATE)):
            frame.pts = k
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def repeat_clip(source: Path, path: Path, times: int) -> None:
    """Write the same clip several times in a row, without encoding it again."""
    with av.open(str(source)) as original, av.open(str(path), "w") as container:
        packets = [packet for packet in original.demux(video=0) if packet.dts is not None]
        stream = container.add_stream_from_template(original.streams.video[0])
        stamps = [(packet.pts, packet.dts) for packet in packets]
        duration = max(packet.pts + packet.duration for packet in packets)
        for turn in range(times):
            for packet, (pts, dts) in zip(packets, stamps, strict=True):
                packet.pts, packet.dts, packet.stream = pts + turn * duration, dts + turn * duration, stream
                container.mux(packet)
