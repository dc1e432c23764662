"""Comparison with simpler programs, with the same clip, number of frames and network.

* tutorial: every picture is decoded, made a PIL image and transformed; as many of them as we use are encoded by eager
  torch, one at a time, and a torch.nn.LSTM reads the features;
* seeking: one seek for each frame, then as above;
* window: for every new frame, CNN and LSTM process the last 8 or 32 frames again.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision import transforms

from benchmarks.clips import write_clip
from benchmarks.end_to_end import SECONDS
from benchmarks.results import Result, ratio, result, side_by_side
from pipeline.canvas import WIDE
from pipeline.media.reader import open_clip, read_clip
from pipeline.models.action import load_action
from pipeline.models.backbones import tuned_lite0
from pipeline.models.encoder import load_encoder
from pipeline.sandbox.messages import Frame

WINDOWS = (8, 32)  # frames


class Tutorial:
    """A CNN and an LSTM of torch.nn, combined as in tutorials."""

    def __init__(self) -> None:
        self.cnn = tuned_lite0()
        self.lstm, self.head = nn.LSTM(1280, 256, batch_first=True), nn.Linear(256, 58)
        self.transform = transforms.Compose([transforms.Resize(WIDE), transforms.PILToTensor()])

    def transformed(self, picture: np.ndarray) -> Tensor:
        return self.transform(Image.fromarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)))

    @torch.inference_mode()
    def answer(self, frames: Sequence[Tensor]) -> Tensor:
        features = [self.cnn(frame.permute(1, 2, 0)[None])[0] for frame in frames]
        hidden, _ = self.lstm(torch.stack(features, 1))
        return self.head(hidden[:, -1]).softmax(-1)

    def read(self, path: Path, count: int) -> Tensor:
        capture, frames = cv2.VideoCapture(str(path)), []
        while True:
            ok, picture = capture.read()
            if not ok:
                break
            frames.append(self.transformed(picture))
        chosen = np.linspace(0, len(frames) - 1, count).round().astype(int)
        return self.answer([frames[k] for k in chosen])

    def seek(self, path: Path, count: int) -> Tensor:
        capture, frames = cv2.VideoCapture(str(path)), []
        for k in np.linspace(0, capture.get(cv2.CAP_PROP_FRAME_COUNT) - 1, count).round():
            capture.set(cv2.CAP_PROP_POS_FRAMES, k)
            frames.append(self.transformed(capture.read()[1]))
        return self.answer(frames)


def measure(rounds: int) -> Iterator[Result]:
    encoder, model, tutorial = load_encoder(), load_action("lstm"), Tutorial()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        write_clip(path, SECONDS)
        whole = read_clip(path)
        frames, first = whole.frames, replace(whole, frames=whole.frames[:1])

        def ours() -> None:
            stream = open_clip(path)
            list(model.predict(encoder.encode_clip(stream)))

        ways = {
            "ours": ours,
            "tutorial": lambda: tutorial.read(path, len(frames)),
            "seeking": lambda: tutorial.seek(path, len(frames)),
        }
        seconds = side_by_side(ways, rounds)
    for name in ("tutorial", "seeking"):
        gain = ratio(seconds[name], seconds["ours"])
        yield result(f"over_{name}", seconds[name], "s", gain, f"our {statistics.median(seconds['ours']):.2f} s")
    yield from windows(tutorial, frames, rounds, lambda: list(model.predict(encoder.encode_frames(first))))


def windows(tutorial: Tutorial, frames: Sequence[Frame], rounds: int, ours: Callable[[], object]) -> Iterator[Result]:
    """The cost of one more frame, for windows of two lengths. Our cost does not depend on the number of frames."""
    tensors = [torch.from_numpy(frame.image).permute(2, 0, 1) for frame in frames]
    ways = {"ours": ours}
    for length in WINDOWS:
        window = [tensors[k % len(tensors)] for k in range(length)]
        ways[f"window_{length}"] = lambda window=window: tutorial.answer(window)
    seconds = side_by_side(ways, rounds)
    for length in WINDOWS:
        took = seconds[f"window_{length}"]
        yield result(f"over_window_of_{length}", took, "s", ratio(took, seconds["ours"]), "our next frame")
