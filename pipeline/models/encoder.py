"""The encoder: images -> feature vectors, by a pretrained CNN that normalises its own input.

``load_encoder()`` gives the CNN that the models in weights/ were trained on. The registry also holds the untuned
ImageNet network that training began from, and torchvision's networks, whose weights torchvision downloads.

Shapes: T images, H x W pixels of a canvas (pipeline/canvas.py), D feature size, R = 63 image regions (row by row from
the top left), C = 1000 classes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice
from typing import NamedTuple

import numpy as np
import torch

from pipeline.canvas import WIDE, canvas, fit_to_canvas
from pipeline.media import Clip, ClipStream, Frame
from pipeline.models.backbones import BACKBONES, DEFAULT_BACKBONE, Backbone
from pipeline.models.efficientnet_lite import STRIDE
from pipeline.models.engines import ENGINES, EngineName, run_by_best_engine
from pipeline.models.motion import difference_image

REGIONS = WIDE[0] // STRIDE * WIDE[1] // STRIDE  # 63
BATCH = 8  # images a run of the CNN: larger batches are no faster on a CPU and answer later


@dataclass(frozen=True)
class FrameFeatures:
    """The features of one frame.

    ``motion`` are the features of the difference image, None if no later image is known; ``regions`` are those of the
    image regions, for photos only.
    """

    index: int
    time: float  # seconds
    appearance: np.ndarray  # (D,) float32
    motion: np.ndarray | None = None  # (D,) float32
    regions: np.ndarray | None = None  # (R, D) float32


class Encoding(NamedTuple):
    """``features`` (T, D) are the mean of ``maps`` (T, R, D) over the regions; both float32."""

    features: np.ndarray
    maps: np.ndarray


def grid(image: np.ndarray) -> tuple[int, int]:
    """Rows and columns of the regions of an image."""
    height, width = canvas(image)
    return height // STRIDE, width // STRIDE


class Encoder:
    """A backbone that is ready to encode, run by ``engine``. Threads may share it."""

    def __init__(self, backbone: Backbone, engine: EngineName | None = None) -> None:
        self.backbone = backbone.eval()
        self.engine: EngineName
        if engine is None:
            self.engine, self._run = run_by_best_engine(self.backbone)
        else:
            self.engine, self._run = engine, ENGINES[engine](self.backbone)
        self._lock = threading.Lock()  # one run at a time: two runs would share the cores and finish no earlier

    def encode(self, images: Sequence[np.ndarray]) -> Encoding:
        """T >= 1 images, (H, W, 3) uint8 RGB of any sizes -> their features. Raises ValueError for no image."""
        if not len(images):
            raise ValueError("encode() needs at least one image.")
        return self._encode_canvases([fit_to_canvas(image) for image in images])

    def encode_clip(
        self, clip: Clip | ClipStream, on_frame: Callable[[FrameFeatures], None] | None = None
    ) -> tuple[FrameFeatures, ...]:
        """The features of the clip's final frames, in order.

        ``on_frame`` is called with each frame's features while the clip is still being decoded. It may be called for
        frames that are not in the final clip, because a header can claim a wrong duration (see ClipStream). Raises
        MediaError if the file cannot be read.
        """
        kind = clip.wait_for_info().kind if isinstance(clip, ClipStream) else clip.kind
        if kind == "photo":
            return self.encode_photos([clip])
        encoded = {}
        for frame in self.encode_frames(clip if isinstance(clip, ClipStream) else clip.frames):
            encoded[frame.time] = frame
            if on_frame:
                on_frame(frame)
        return tuple(replace(encoded[frame.time], index=frame.index) for frame in _complete(clip).frames)

    def encode_photos(self, photos: Sequence[Clip | ClipStream]) -> tuple[FrameFeatures, ...]:
        """The features of several photos at once, with those of their regions."""
        features, maps = self.encode([_complete(photo).frames[0].image for photo in photos])
        return tuple(FrameFeatures(0, 0.0, row, regions=regions) for row, regions in zip(features, maps, strict=True))

    def encode_frames(self, frames: Iterable[Frame]) -> Iterator[FrameFeatures]:
        """Frames -> their features, in the order given. For previews; ``encode_clip`` gives a clip's final frames.

        Frames are encoded when a batch of images (frames and difference images) is full, or when the next frame of a
        ClipStream is still being decoded: the CNN would only wait for it.
        """
        batch: list[tuple[Frame, list[np.ndarray]]] = []
        ready = frames.ready if isinstance(frames, ClipStream) else lambda: True
        for frame in frames:
            batch.append((frame, self._images(frame)))
            if sum(len(images) for _, images in batch) >= BATCH - 1 or not ready():
                yield from self._encode_batch(batch)
                batch = []
        if batch:
            yield from self._encode_batch(batch)

    def classify(self, features: np.ndarray) -> np.ndarray:
        """(T, D) -> (T, C): ImageNet probabilities of each image by itself (one-to-one)."""
        with torch.inference_mode():
            return self.backbone.classify(torch.from_numpy(features)).softmax(-1).numpy()

    @staticmethod
    def _images(frame: Frame) -> list[np.ndarray]:
        """The frame's image on its canvas and, if a later image is known, the difference image."""
        now = fit_to_canvas(frame.image)
        return [now] if frame.later_image is None else [now, difference_image(now, fit_to_canvas(frame.later_image))]

    def _encode_batch(self, batch: list[tuple[Frame, list[np.ndarray]]]) -> Iterator[FrameFeatures]:
        rows = iter(self._encode_canvases([image for _, images in batch for image in images]).features)
        for frame, images in batch:
            yield FrameFeatures(frame.index, frame.time, *islice(rows, len(images)))

    def _encode_canvases(self, images: Sequence[np.ndarray]) -> Encoding:
        parts = []
        for _, same_size in groupby(images, key=np.shape):
            while batch := list(islice(same_size, BATCH)):
                with self._lock:
                    parts.append(self._run(np.stack(batch)))
        features, maps = zip(*parts, strict=True)
        return Encoding(np.concatenate(features), np.concatenate(maps))


def _complete(clip: Clip | ClipStream) -> Clip:
    return clip.clip() if isinstance(clip, ClipStream) else clip


def load_encoder(name: str = DEFAULT_BACKBONE, engine: EngineName | None = None) -> Encoder:
    """The encoder with one of BACKBONES, run by ``engine``, by default the best one of this machine. Raises KeyError
    for an unknown name."""
    if name not in BACKBONES:
        raise KeyError(f"No backbone is called {name!r}; there are {', '.join(BACKBONES)}.")
    return Encoder(BACKBONES[name](), engine)
