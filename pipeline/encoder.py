"""The encoder: pictures -> feature vectors, by a pretrained CNN whose own preprocessing travels with it.

``load_encoder()`` gives the CNN that the heads in weights/ were trained on. The registry also holds the untouched
ImageNet network it was tuned from, and torchvision's, whose weights torchvision downloads when they are asked for.

Shapes: T pictures, H x W pixels of a canvas (pipeline/canvas.py), D feature size, R = 63 image regions (row by row from
the top left), C = 1000 classes.
"""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import groupby, islice
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.canvas import WIDE, canvas, fitted
from pipeline.checkpoint import WEIGHTS, load_checkpoint
from pipeline.clip import ClipStream, Frame
from pipeline.efficientnet_lite import STRIDE, EfficientNetLite0, imagenet_lite0
from pipeline.motion import difference_image

if TYPE_CHECKING:
    import openvino as ov

REGIONS = WIDE[0] // STRIDE * WIDE[1] // STRIDE  # 63
BATCH = 8  # pictures a run of the CNN: larger is no faster on a CPU and answers later
DEFAULT_BACKBONE = "lite0-tuned"

CONFIGURATION = {
    "ENABLE_CPU_PINNING": False,  # decoders work beside it: a thread that is bound to a busy core holds up the others
}

EngineName = Literal["openvino-bf16", "openvino", "torch"]
Precision = Literal["f32", "bf16"]  # OpenVINO's names
Engine = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # (B, H, W, 3) uint8 -> (B, D), (B, R, D) float32


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
        return self._encode_canvases([fitted(image) for image in images])

    def encode_frames(self, frames: Iterable[Frame]) -> Iterator[FrameFeatures]:
        """Frames -> their features, in order, as soon as a batch of pictures (frames and difference images) is full, or
        the next frame of a ClipStream is still being decoded: the CNN would only wait for it."""
        waiting: list[tuple[Frame, list[np.ndarray]]] = []
        at_hand = frames.at_hand if isinstance(frames, ClipStream) else lambda: True
        for frame in frames:
            waiting.append((frame, self._pictures(frame)))
            if sum(len(pictures) for _, pictures in waiting) >= BATCH - 1 or not at_hand():
                yield from self._encode_waiting(waiting)
                waiting = []
        if waiting:
            yield from self._encode_waiting(waiting)

    def _pictures(self, frame: Frame) -> list[np.ndarray]:
        """The one or two pictures that are encoded of a frame."""
        now = fitted(frame.image)
        return [now] if frame.later is None else [now, difference_image(now, fitted(frame.later))]

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


def torch_engine(backbone: nn.Module) -> Engine:
    """The backbone as torch runs it, the reference that any other engine must agree with; a copy of it runs on a CUDA
    GPU if there is one."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = deepcopy(backbone).to(device) if device == "cuda" else backbone

    @torch.inference_mode()
    def run(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        features, maps = network(torch.from_numpy(images).to(device))
        return features.cpu().numpy(), maps.contiguous().cpu().numpy()

    return run


def openvino_engine(backbone: nn.Module, precision: Precision = "f32") -> Engine:
    """The backbone run by OpenVINO: in float32, which agrees with torch, or in bfloat16 (8 bits of mantissa, sums in
    float32), which is faster on a CPU made for it and costs next to nothing in labels and captions
    (benchmarks/README.md)."""
    return compiled(openvino_graph(backbone), precision)


def openvino_graph(backbone: nn.Module) -> ov.Model:
    """The backbone converted in memory."""
    example = torch.zeros(2, *WIDE, 3, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # OpenVINO converts by torch.jit.trace, which torch retires
        warnings.simplefilter("ignore", DeprecationWarning)
        # Traced here, because the converter would trace it twice and compare, which takes two seconds of a start.
        traced = torch.jit.trace(backbone, example, check_trace=False)
        return import_openvino().convert_model(traced, example_input=example)


def compiled(graph: ov.Model, precision: Precision) -> Engine:
    """A converted backbone made ready for this CPU."""
    settings = {**CONFIGURATION, "INFERENCE_PRECISION_HINT": precision}

    @cache
    def request_for(size: tuple[int, int]) -> ov.InferRequest:
        """One for each canvas, when it is first needed: a graph that takes both is a fifth slower."""
        graph.reshape([-1, *size, 3])
        return import_openvino().compile_model(graph, "CPU", settings).create_infer_request()

    request_for(WIDE)

    def run(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        outputs = request_for(images.shape[1:3]).infer({0: images})  # copies: the request is used again
        return outputs[0], outputs[1]

    return run


def import_openvino() -> ModuleType:
    """OpenVINO, without its converter's telemetry: so it tells nobody that it was used."""
    sys.modules.setdefault("openvino_telemetry", None)
    import openvino

    return openvino


def best_engine() -> EngineName:
    """torch where there is a CUDA GPU, else what is fastest on this CPU (benchmarks/README.md)."""
    if torch.cuda.is_available():
        return "torch"
    return "openvino-bf16" if multiplies_bf16() else "openvino"


def multiplies_bf16() -> bool:
    """Whether this CPU has instructions for bfloat16; elsewhere they would be imitated, more slowly than float32."""
    return "BF16" in import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


ENGINES: dict[EngineName, Callable[[nn.Module], Engine]] = {
    "openvino-bf16": partial(openvino_engine, precision="bf16"),
    "openvino": openvino_engine,
    "torch": torch_engine,
}


# ── Backbones ────────────────────────────────────────────────────────────────────────────────────────────────────


def tuned_lite0(weights: Path = WEIGHTS) -> EfficientNetLite0:
    """EfficientNet-Lite0 with its upper blocks tuned by training/encoder.py, from weights/encoder.safetensors."""
    model = EfficientNetLite0()
    tensors, _ = load_checkpoint(weights / "encoder")
    counters = {name: t for name, t in model.state_dict().items() if name.endswith("num_batches_tracked")}
    model.load_state_dict({**counters, **tensors}, strict=True)
    return model.eval()


class TorchvisionBackbone(nn.Module):
    """A torchvision classifier, cut into its convolutions (up to the last map) and its classifier."""

    mean: Tensor
    std: Tensor

    def __init__(self, body: nn.Module, head: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.body, self.head = body, head
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("std", torch.tensor(std)[:, None, None])

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = (images.permute(0, 3, 1, 2).float() / 255.0 - self.mean) / self.std
        maps = self.body(x).flatten(2)  # (B, D, R)
        return maps.mean(2), maps.transpose(1, 2)

    def classify(self, features: Tensor) -> Tensor:
        return self.head(features)


def torchvision_backbone(name: str, pretrained: bool = True) -> TorchvisionBackbone:
    """mobilenet_v3_large, efficientnet_b0 or resnet50; its published weights are downloaded unless pretrained=False."""
    from torchvision import models

    published = models.get_model_weights(name).DEFAULT
    network = models.get_model(name, weights=published if pretrained else None)
    scale = published.transforms()
    if name == "resnet50":
        body, head = nn.Sequential(*list(network.children())[:-2]), network.fc
    else:
        body, head = network.features, network.classifier
    return TorchvisionBackbone(body, head, scale.mean, scale.std).eval()


BACKBONES: dict[str, Callable[[], nn.Module]] = {
    DEFAULT_BACKBONE: tuned_lite0,
    "lite0": imagenet_lite0,
    "mobilenet_v3_large": lambda: torchvision_backbone("mobilenet_v3_large"),
    "efficientnet_b0": lambda: torchvision_backbone("efficientnet_b0"),
    "resnet50": lambda: torchvision_backbone("resnet50"),
}


def load_encoder(name: str = DEFAULT_BACKBONE, engine: EngineName | None = None) -> Encoder:
    """An encoder by the name of its backbone, run by the best engine here unless one is named. Raises KeyError for a
    name that is not in BACKBONES."""
    if name not in BACKBONES:
        raise KeyError(f"No backbone is called {name!r}; there are {', '.join(BACKBONES)}.")
    return Encoder(BACKBONES[name](), engine)


def imagenet_classes() -> list[str]:
    """The names of the C ImageNet classes, in order (they come with torchvision)."""
    from torchvision.models import EfficientNet_B0_Weights

    return EfficientNet_B0_Weights.DEFAULT.meta["categories"]
