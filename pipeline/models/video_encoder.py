"""The video encoder: the frames of a clip, in order -> what moves in them, by MoViNet-A0-Stream (movinet.py).

Frames are read in *bursts*: a frame at most LONGEST_GAP seconds after another one continues its burst. At the start of
a burst the stream buffers are zero, because the pictures between two bursts are unknown. The running sum of the
features goes on over all bursts, so the logits after each frame are those of the clip so far.

Shapes: T frames of SIDE x SIDE pixels, D = 480 features, C classes.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from pipeline.models.checkpoint import WEIGHTS, load_checkpoint
from pipeline.models.engines import OPENVINO_CONFIG, EngineName, Precision, best_engine, import_openvino
from pipeline.models.movinet import FEATURE_SIZE, SIDE, MoViNetA0Stream, StreamState
from pipeline.models.video_graph import video_graph

LONGEST_GAP = 0.501  # seconds between two frames of a burst: two and a half times that of the training, and rounding
CHUNK = 8  # frames a run of the network, at most: larger chunks are little faster and answer later


class MotionFeatures(NamedTuple):
    """What the video encoder makes of one frame with its past: ``features`` (D,) before pooling over time, ``logits``
    (C,) of the clip up to this frame, and ``layout`` (LAYOUT_SIZE,), what there is in each cell of a 3 x 3 grid; all
    float32."""

    features: np.ndarray
    logits: np.ndarray
    layout: np.ndarray


Buffers = Any  # an engine's own form of the stream buffers
# (T, SIDE, SIDE, 3) uint8 and the buffers after the frames before, None at the start of a burst -> (T, D) and
# (T, LAYOUT_SIZE) float32 and the next buffers.
VideoEngine = Callable[[np.ndarray, Buffers | None], tuple[np.ndarray, np.ndarray, Buffers]]


@dataclass(frozen=True)
class VideoState:
    """What is carried from frame to frame; its size does not grow."""

    buffers: Buffers
    feature_sum: np.ndarray  # (D,): the features of all frames so far, added up
    frame_count: int
    time: float  # seconds; of the last frame


NO_FRAMES = VideoState(None, np.zeros(FEATURE_SIZE, np.float32), 0, -math.inf)


def video_frame(image: np.ndarray) -> np.ndarray:
    """An image of any size, (H, W, 3) uint8 -> the whole of it squeezed to (SIDE, SIDE, 3)."""
    shrinks = min(image.shape[:2]) >= SIDE
    return cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


class VideoEncoder:
    """The network, ready to read. Threads may share it."""

    def __init__(self, network: MoViNetA0Stream, labels: Sequence[str], engine: EngineName | None = None) -> None:
        self.labels = list(labels)
        self._network = network.eval()
        self._run = VIDEO_ENGINES[engine or best_engine()](self._network)
        self._lock = threading.Lock()  # one run at a time, as in Encoder

    def read(
        self, frames: Sequence[np.ndarray], times: Sequence[float], state: VideoState | None = None
    ) -> tuple[list[MotionFeatures], VideoState]:
        """Frames (SIDE, SIDE, 3) uint8 RGB with their times in seconds -> what moves in each, and the state after the
        last. A clip begins unless it is given the state after earlier frames, and at a frame that is not later than
        the one before."""
        motions: list[MotionFeatures] = []
        state = state or NO_FRAMES
        for first, end in chunks(times):
            state = state if times[first] > state.time else NO_FRAMES
            buffers = state.buffers if continues(times[first] - state.time) else None
            with self._lock:
                features, layout, buffers = self._run(np.stack(frames[first:end]), buffers)
            sums = state.feature_sum + features.cumsum(0)
            counts = state.frame_count + np.arange(1, end - first + 1, dtype=np.float32)
            motions += map(MotionFeatures, features, self.classify(sums / counts[:, None]), layout)
            state = VideoState(buffers, sums[-1], int(counts[-1]), times[end - 1])
        return motions, state

    def restart(self, motions: Sequence[MotionFeatures]) -> list[MotionFeatures]:
        """The same features with the logits of a clip that begins at the first of these frames."""
        features = np.stack([motion.features for motion in motions])
        counts = np.arange(1, len(features) + 1, dtype=np.float32)[:, None]
        logits = self.classify(features.cumsum(0) / counts)
        return [motion._replace(logits=row) for motion, row in zip(motions, logits, strict=True)]

    @torch.inference_mode()
    def classify(self, pooled: np.ndarray) -> np.ndarray:
        """(T, D), means of features -> (T, C) logits."""
        return self._network.classify(torch.from_numpy(pooled)).numpy()


def continues(gap: float) -> bool:
    """Whether a frame that comes so many seconds after another one continues its burst."""
    return 0 < gap <= LONGEST_GAP


def chunks(times: Sequence[float]) -> Iterator[tuple[int, int]]:
    """The frames in runs of at most CHUNK frames of one burst, each as (first, end)."""
    first = 0
    for k in range(1, len(times) + 1):
        if k == len(times) or k - first == CHUNK or not continues(times[k] - times[k - 1]):
            yield first, k
            first = k


def torch_engine(network: MoViNetA0Stream) -> VideoEngine:
    """The network run by torch, the reference; by a CUDA GPU if there is one."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = deepcopy(network).to(device) if device == "cuda" else network

    @torch.inference_mode()
    def run(
        frames: np.ndarray, buffers: tuple[Tensor, ...] | None
    ) -> tuple[np.ndarray, np.ndarray, tuple[Tensor, ...]]:
        start = network.initial_state()
        state = start if buffers is None else StreamState(buffers, start.feature_sum, start.frame_count)
        images = network.normalise(torch.from_numpy(frames).to(device))
        output, after = network.scan(images[None], state)
        return output.features[0].cpu().numpy(), output.layout[0].cpu().numpy(), after.buffers

    return run


def openvino_engine(network: MoViNetA0Stream, precision: Precision = "f32") -> VideoEngine:
    """The network run by OpenVINO in this precision (see engines.py); the buffers are inputs and outputs."""
    settings = {**OPENVINO_CONFIG, "INFERENCE_PRECISION_HINT": precision}
    request = import_openvino().compile_model(video_graph(network), "CPU", settings).create_infer_request()
    start = [buffer[0].numpy() for buffer in network.initial_state().buffers if buffer.shape[1]]

    def run(frames: np.ndarray, buffers: list[np.ndarray] | None) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
        outputs = request.infer([frames, *(buffers or start)])  # copies, because the request is used again
        return outputs[0], outputs[1], [outputs[k] for k in range(2, len(start) + 2)]

    return run


VIDEO_ENGINES: dict[EngineName, Callable[[MoViNetA0Stream], VideoEngine]] = {
    "openvino-bf16": partial(openvino_engine, precision="bf16"),
    "openvino": openvino_engine,
    "torch": torch_engine,
}


def load_video_encoder(engine: EngineName | None = None, weights: Path = WEIGHTS) -> VideoEncoder:
    """The shipped video encoder, run by ``engine``, by default the best one of this machine. Raises CheckpointError for
    a missing or damaged checkpoint."""
    tensors, card = load_checkpoint(weights / "video-encoder")
    network = MoViNetA0Stream(len(card["labels"]))
    network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, strict=True)
    return VideoEncoder(network, card["labels"], engine)
