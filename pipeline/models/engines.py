"""Engines: one network, run by torch (the reference) or by OpenVINO (faster on CPUs)."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from copy import deepcopy
from functools import cache, partial
from types import ModuleType
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import nn

from pipeline.canvas import WIDE

if TYPE_CHECKING:
    import openvino as ov

OPENVINO_CONFIG = {
    "ENABLE_CPU_PINNING": False,  # decoders run beside it: a thread bound to a busy core would delay all
}


EngineName = Literal["openvino-bf16", "openvino", "torch"]


Precision = Literal["f32", "bf16"]  # OpenVINO's names


Engine = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # (B, H, W, 3) uint8 -> (B, D), (B, R, D) float32


def torch_engine(backbone: nn.Module) -> Engine:
    """The backbone run by torch: the reference that every other engine must agree with. Uses a CUDA GPU if there is
    one; the backbone that was passed in stays on the CPU."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = deepcopy(backbone).to(device) if device == "cuda" else backbone

    @torch.inference_mode()
    def run(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        features, maps = network(torch.from_numpy(images).to(device))
        return features.cpu().numpy(), maps.contiguous().cpu().numpy()

    return run


def openvino_engine(backbone: nn.Module, precision: Precision = "f32") -> Engine:
    """The backbone run by OpenVINO, in float32, which agrees with torch, or in bfloat16 (8 bits of mantissa, sums in
    float32), which is faster on a CPU with bfloat16 instructions and costs less than a point of accuracy
    (benchmarks/README.md)."""
    return compile_openvino(openvino_graph(backbone), precision)


def openvino_graph(backbone: nn.Module) -> ov.Model:
    """The backbone, converted in memory."""
    return converted(backbone, torch.zeros(2, *WIDE, 3, dtype=torch.uint8))


def converted(network: nn.Module, *example: torch.Tensor) -> ov.Model:
    """A network as OpenVINO's graph, converted in memory; ``example`` are inputs of the right shapes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # the converter uses torch.jit.trace, which torch retires
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # sizes of images are constants
        # Traced here: the converter would trace it twice and compare, which takes two seconds of every start.
        traced = torch.jit.trace(network, example, check_trace=False)
        return import_openvino().convert_model(traced, example_input=example)


def compile_openvino(graph: ov.Model, precision: Precision) -> Engine:
    """A converted backbone, compiled for this CPU."""
    settings = {**OPENVINO_CONFIG, "INFERENCE_PRECISION_HINT": precision}

    @cache
    def request_for(size: tuple[int, int]) -> ov.InferRequest:
        """One request for each canvas size, when it is first needed: a graph for both sizes is a fifth slower."""
        graph.reshape([-1, *size, 3])
        return import_openvino().compile_model(graph, "CPU", settings).create_infer_request()

    request_for(WIDE)

    def run(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        outputs = request_for(images.shape[1:3]).infer({0: images})  # copies, because the request is used again
        return outputs[0], outputs[1]

    return run


def import_openvino() -> ModuleType:
    """OpenVINO without the telemetry of its converter, so that no data leaves this machine."""
    if "openvino_telemetry" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # makes its import fail
    import openvino

    return openvino


def best_engine() -> EngineName:
    """torch on a machine with a CUDA GPU, else the fastest engine of this CPU (benchmarks/README.md)."""
    if torch.cuda.is_available():
        return "torch"
    return "openvino-bf16" if supports_bf16() else "openvino"


def supports_bf16() -> bool:
    """Whether this CPU has bfloat16 instructions; without them bfloat16 is emulated and slower than float32."""
    return "BF16" in import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


ENGINES: dict[EngineName, Callable[[nn.Module], Engine]] = {
    "openvino-bf16": partial(openvino_engine, precision="bf16"),
    "openvino": openvino_engine,
    "torch": torch_engine,
}
