"""The encoder: frames -> features, by two pretrained CNNs that normalise their own input.

An image CNN (a backbone) tells what there is in each frame by itself, a video CNN (video_encoder.py) what moves.
``load_encoder()`` gives the networks that the models in weights/ were trained on. The registry of backbones also holds
the untuned ImageNet network that training began from, and torchvision's networks, whose weights torchvision downloads.

Shapes: T images, H x W pixels of a canvas (pipeline/canvas.py), D feature size, R = 63 image regions (row by row from
the top left), C = 1000 classes.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
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
from pipeline.models.video_encoder import (
    MotionFeatures,
    VideoEncoder,
    VideoState,
    continues,
    load_video_encoder,
    video_frame,
)
from pipeline.sandbox.messages import Kind

REGIONS = WIDE[0] // STRIDE * WIDE[1] // STRIDE  # 63
BATCH = 8  # images a run of the CNN: larger batches are no faster on a CPU and answer later


@dataclass(frozen=True)
class FrameFeatures:
    """The features of one frame.

    Of a burst of a video, the image CNN reads every second frame only; the ``appearance`` of a frame between is that of
    the frame before it, 0.2 s earlier. What there is changes slowly, and clips are read faster. ``motion`` and
    ``video_frame`` are of videos only, None for photos and folders, in which nothing moves. The video frame is what the
    video encoder read; it is kept so that other orders of the frames can be read, too. ``regions`` are the features of
    the image regions, for photos only.
    """

    index: int
    time: float  # seconds
    appearance: np.ndarray  # (D,) float32
    motion: MotionFeatures | None = None
    video_frame: np.ndarray | None = None  # (SIDE, SIDE, 3) uint8 RGB
    regions: np.ndarray | None = None  # (R, D) float32


@dataclass(frozen=True)
class ClipState:
    """What is carried from one batch of a video's frames to the next: the video encoder's state, the appearance of the
    last frame, and whether that was read from the frame itself."""

    video: VideoState
    appearance: np.ndarray
    is_own: bool


class Encoding(NamedTuple):
    """``features`` (T, D) are the mean of ``maps`` (T, R, D) over the regions; both float32."""

    features: np.ndarray
    maps: np.ndarray


def grid(image: np.ndarray) -> tuple[int, int]:
    """Rows and columns of the regions of an image."""
    height, width = canvas(image)
    return height // STRIDE, width // STRIDE


class Encoder:
    """A backbone, run by ``engine``, and a video encoder, ready to encode. Threads may share it. Without a video
    encoder, the motion of a video stays unknown."""

    def __init__(self, backbone: Backbone, engine: EngineName | None = None, video: VideoEncoder | None = None) -> None:
        self.backbone, self.video = backbone.eval(), video
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
        if _kind(clip) == "photo":
            return self.encode_photos([clip])
        encoded: dict[float, FrameFeatures] = {}
        times: list[float] = []
        for frame in self.encode_frames(clip):
            encoded[frame.time] = frame
            times.append(frame.time)
            if on_frame:
                on_frame(frame)
        frames = tuple(replace(encoded[frame.time], index=frame.index) for frame in _complete(clip).frames)
        return frames if times == [frame.time for frame in frames] else self.with_motion(frames)

    def encode_photos(self, photos: Sequence[Clip | ClipStream]) -> tuple[FrameFeatures, ...]:
        """The features of several photos at once, with those of their regions."""
        features, maps = self.encode([_complete(photo).frames[0].image for photo in photos])
        return tuple(FrameFeatures(0, 0.0, row, regions=regions) for row, regions in zip(features, maps, strict=True))

    def encode_frames(self, clip: Clip | ClipStream) -> Iterator[FrameFeatures]:
        """The features of a clip's frames as they come. For previews; ``encode_clip`` gives a clip's final frames.

        The first frame is encoded at once. Later ones are encoded when a batch is full, or half full and the next frame
        of a ClipStream is still being decoded. Smaller batches cost up to three times as much for each frame.
        """
        ready = clip.ready if isinstance(clip, ClipStream) else lambda: True
        video = self.video if _kind(clip) == "video" else None
        state: ClipState | None = None
        batch: list[Frame] = []
        enough = 1
        for frame in clip if isinstance(clip, ClipStream) else clip.frames:
            batch.append(frame)
            if len(batch) == BATCH or (len(batch) >= enough and not ready()):
                features, state = self._encode_batch(batch, video, state)
                yield from features
                batch, enough = [], BATCH // 2
        if batch:
            yield from self._encode_batch(batch, video, state)[0]

    def with_motion(self, frames: Sequence[FrameFeatures]) -> tuple[FrameFeatures, ...]:
        """The frames in this order, read by the video encoder again; as they are if they have no video frames."""
        images = [frame.video_frame for frame in frames if frame.video_frame is not None]
        if self.video is None or len(images) < len(frames):
            return tuple(frames)
        motions, _ = self.video.read(images, [frame.time for frame in frames])
        return tuple(replace(frame, motion=motion) for frame, motion in zip(frames, motions, strict=True))

    def classify(self, features: np.ndarray) -> np.ndarray:
        """(T, D) -> (T, C): ImageNet probabilities of each image by itself (one-to-one)."""
        with torch.inference_mode():
            return self.backbone.classify(torch.from_numpy(features)).softmax(-1).numpy()

    def _encode_batch(
        self, batch: list[Frame], video: VideoEncoder | None, state: ClipState | None
    ) -> tuple[list[FrameFeatures], ClipState | None]:
        if video is None:
            rows = self.encode([frame.image for frame in batch]).features
            return [FrameFeatures(frame.index, frame.time, row) for frame, row in zip(batch, rows, strict=True)], None
        times = [frame.time for frame in batch]
        own = own_appearance(times, state)
        images = [frame.image for frame, is_own in zip(batch, own, strict=True) if is_own]
        seen = [] if state is None else [state.appearance]
        first = len(seen) - 1
        seen += list(self.encode(images).features) if images else []
        appearances = [seen[k] for k in first + np.cumsum(own)]
        squares = [video_frame(frame.image) for frame in batch]
        motions, after = video.read(squares, times, state.video if state else None)
        columns = zip(batch, appearances, motions, squares, strict=True)
        features = [FrameFeatures(frame.index, frame.time, *rest) for frame, *rest in columns]
        return features, ClipState(after, appearances[-1], own[-1])

    def _encode_canvases(self, images: Sequence[np.ndarray]) -> Encoding:
        parts = []
        for _, same_size in groupby(images, key=np.shape):
            while batch := list(islice(same_size, BATCH)):
                with self._lock:
                    parts.append(self._run(np.stack(batch)))
        features, maps = zip(*parts, strict=True)
        return Encoding(np.concatenate(features), np.concatenate(maps))


def own_appearance(times: Sequence[float], state: ClipState | None) -> list[bool]:
    """Whether each frame of a video is read by the image CNN itself: the first frame of a burst, and then every second
    one. ``state`` is that after the frames before."""
    before, was_own = (-math.inf, False) if state is None else (state.video.time, state.is_own)
    own: list[bool] = []
    for time in times:
        was_own = not (was_own and continues(time - before))
        own.append(was_own)
        before = time
    return own


def _kind(clip: Clip | ClipStream) -> Kind:
    return clip.wait_for_info().kind if isinstance(clip, ClipStream) else clip.kind


def _complete(clip: Clip | ClipStream) -> Clip:
    return clip.clip() if isinstance(clip, ClipStream) else clip


def load_encoder(name: str = DEFAULT_BACKBONE, engine: EngineName | None = None, motion: bool = True) -> Encoder:
    """The encoder with one of BACKBONES and, unless ``motion`` is False, the shipped video encoder. Both are run by
    ``engine``, by default the best one of this machine. Raises KeyError for an unknown name."""
    if name not in BACKBONES:
        raise KeyError(f"No backbone is called {name!r}; there are {', '.join(BACKBONES)}.")
    encoder = Encoder(BACKBONES[name](), engine)
    if motion:
        encoder.video = load_video_encoder(encoder.engine)
    return encoder
