"""The encoder: pictures -> feature vectors, by a pretrained CNN whose own preprocessing travels with it.

``load_encoder()`` gives the CNN that the heads in weights/ were trained on. The registry also holds the untouched
ImageNet network it was tuned from, and torchvision's, whose weights torchvision downloads when they are asked for.

Shapes: T pictures, H x W pixels of a canvas (pipeline/canvas.py), D feature size, R = 63 image regions (row by row from
the top left), C = 1000 classes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import nn

from pipeline.canvas import WIDE, canvas, fit_to_canvas
from pipeline.media.clip import ClipStream
from pipeline.models.backbones import BACKBONES, DEFAULT_BACKBONE
from pipeline.models.efficientnet_lite import STRIDE
from pipeline.models.engines import ENGINES, EngineName, best_engine
from pipeline.models.motion import difference_image
from pipeline.sandbox.messages import Frame

if TYPE_CHECKING:
    pass

REGIONS = WIDE[0] // STRIDE * WIDE[1] // STRIDE  # 63
BATCH = 8  # pictures a run of the CNN: larger is no faster on a CPU and answers later


@dataclass(frozen=True)
class FrameFeatures:
    """One frame as the recurrent networks see it: what is there, and, if a later picture was known, what moves."""

    index: int
    time: float  # seconds
    features: np.ndarray  # (D,) float32
    motion: np.ndarray | None = None  # (D,) float32


def in_order(features: Iterable[FrameFeatures], stream: ClipStream) -> tuple[FrameFeatures, ...]:
    """Takes the features of a clip's frames as they come; -> those that make the clip in the end (see ClipStream)."""
    found = {frame.time: frame for frame in features}
    return tuple(replace(found[frame.time], index=frame.index) for frame in stream.clip().frames)


class Encoding(NamedTuple):
    """``features`` (T, D) and ``maps`` (T, R, D), both float32; the first is the mean of the second over R."""

    features: np.ndarray
    maps: np.ndarray


def grid(image: np.ndarray) -> tuple[int, int]:
    """Rows and columns of the regions in a picture's maps."""
    height, width = canvas(image)
    return height // STRIDE, width // STRIDE


class Encoder:
    """A backbone ready to encode; safe to share between threads.

    The backbone scales its own input: called with (B, H, W, 3) uint8 it gives features (B, D) and the maps (B, R, D)
    that they are the mean of; its ``classify`` turns (B, D) into (B, C) ImageNet logits.
    """

    def __init__(self, backbone: nn.Module, engine: EngineName | None = None) -> None:
        self.backbone = backbone.eval()
        self._run = ENGINES[engine or best_engine()](self.backbone)
        self._lock = threading.Lock()  # one run at a time: a second would only halve the first one's cores

    def encode(self, images: Sequence[np.ndarray]) -> Encoding:
        """T pictures, uint8 RGB of any sizes, T >= 1."""
        if not len(images):
            raise ValueError("encode() needs at least one picture.")
        return self._encode_canvases([fit_to_canvas(image) for image in images])

    def encode_frames(self, frames: Iterable[Frame]) -> Iterator[FrameFeatures]:
        """Frames -> their features, in order, as soon as a batch of pictures (frames and difference images) is full, or
        the next frame of a ClipStream is still being decoded: the CNN would only wait for it."""
        waiting: list[tuple[Frame, list[np.ndarray]]] = []
        ready = frames.ready if isinstance(frames, ClipStream) else lambda: True
        for frame in frames:
            waiting.append((frame, self._pictures(frame)))
            if sum(len(pictures) for _, pictures in waiting) >= BATCH - 1 or not ready():
                yield from self._encode_waiting(waiting)
                waiting = []
        if waiting:
            yield from self._encode_waiting(waiting)

    def _pictures(self, frame: Frame) -> list[np.ndarray]:
        """The one or two pictures that are encoded of a frame."""
        now = fit_to_canvas(frame.image)
        return [now] if frame.later_image is None else [now, difference_image(now, fit_to_canvas(frame.later_image))]

    def _encode_waiting(self, waiting: list[tuple[Frame, list[np.ndarray]]]) -> Iterator[FrameFeatures]:
        rows = iter(self._encode_canvases([p for _, pictures in waiting for p in pictures]).features)
        for frame, pictures in waiting:
            yield FrameFeatures(frame.index, frame.time, *islice(rows, len(pictures)))

    def classify(self, features: np.ndarray) -> np.ndarray:
        """(T, D) -> (T, C): ImageNet probabilities of each picture by itself, the CNN's one-to-one reading."""
        with torch.inference_mode():
            return self.backbone.classify(torch.from_numpy(features)).softmax(-1).numpy()

    def _encode_canvases(self, pictures: Sequence[np.ndarray]) -> Encoding:
        parts = []
        for _, alike in groupby(pictures, key=np.shape):
            while batch := list(islice(alike, BATCH)):
                with self._lock:
                    parts.append(self._run(np.stack(batch)))
        features, maps = zip(*parts, strict=True)
        return Encoding(np.concatenate(features), np.concatenate(maps))


# ── Engines: the same network, run by torch (the reference) or by OpenVINO (faster on CPUs) ────────────────────────


# ── Backbones ────────────────────────────────────────────────────────────────────────────────────────────────────


def load_encoder(name: str = DEFAULT_BACKBONE, engine: EngineName | None = None) -> Encoder:
    """An encoder by the name of its backbone, run by the best engine here unless one is named. Raises KeyError for a
    name that is not in BACKBONES."""
    if name not in BACKBONES:
        raise KeyError(f"No backbone is called {name!r}; there are {', '.join(BACKBONES)}.")
    return Encoder(BACKBONES[name](), engine)
