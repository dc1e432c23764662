"""Engines: one network, run by torch (the reference) or by OpenVINO (faster on CPUs).

The environment variable UNROLL_ENGINE names an engine. Otherwise a machine with a CUDA GPU uses torch, and any other
OpenVINO: in float32 if its CPU has no bfloat16 instructions, in bfloat16 if it multiplies bfloat16 matrices in hardware
(AMX). On the CPUs between these, either precision may be faster: the first network of a process is timed in both
(docs/hosting.md, benchmarks/README.md).
"""

from __future__ import annotations

import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import nn

from pipeline.canvas import WIDE
from pipeline.limits import ENGINE, EngineName

if TYPE_CHECKING:
    import openvino as ov

OPENVINO_CONFIG = {
    "ENABLE_CPU_PINNING": False,  # decoders run beside it: a thread bound to a busy core would delay all
}


Precision = Literal["f32", "bf16"]  # OpenVINO's names
PRECISIONS: dict[EngineName, Precision] = {"openvino": "f32", "openvino-bf16": "bf16"}

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
    example = torch.zeros(2, *WIDE, 3, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # the converter uses torch.jit.trace, which torch retires
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", torch.jit.TracerWarning)  # sizes of images are constants
        # Traced here: the converter would trace it twice and compare, which takes two seconds of every start.
        traced = torch.jit.trace(backbone, example, check_trace=False)
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


def supports_bf16() -> bool:
    """Whether this CPU has bfloat16 instructions; without them bfloat16 is emulated and slower than float32."""
    return "BF16" in import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def has_amx() -> bool:
    """Whether this CPU multiplies bfloat16 matrices in hardware. False where Linux does not tell."""
    try:
        return "amx_bf16" in Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return False


ENGINES: dict[EngineName, Callable[[nn.Module], Engine]] = {
    "openvino-bf16": partial(openvino_engine, precision="bf16"),
    "openvino": openvino_engine,
    "torch": torch_engine,
}

TIMED_IMAGES = 8  # in a batch: as many as the encoder runs at once
TIMED_ROUNDS = 2  # at least; the first run of an engine prepares it
TIMED_SECONDS = 0.25  # after which no further round begins

_measured: list[EngineName] = []  # the fastest engine, once this process has measured it
_measuring = threading.Lock()


def candidates() -> tuple[EngineName, ...]:
    """The engines of which one is the best of this machine; usually only one."""
    if ENGINE is not None:
        return (ENGINE,)
    if torch.cuda.is_available():
        return ("torch",)
    if not supports_bf16():
        return ("openvino",)
    return ("openvino-bf16",) if has_amx() else ("openvino", "openvino-bf16")


def run_by_best_engine(backbone: nn.Module) -> tuple[EngineName, Engine]:
    """The backbone and the best engine of this machine: its name, and the backbone run by it.

    Several candidates are timed with the first backbone of a process. The others are dropped, and the process keeps to
    the fastest.
    """
    with _measuring:
        names = tuple(_measured) or candidates()
        if len(names) == 1:
            return names[0], ENGINES[names[0]](backbone)
        engines = openvino_engines(backbone, names)
        _measured.append(fastest(engines))
        return _measured[0], engines[_measured[0]]


def best_engine() -> EngineName:
    """The best engine of this machine, for networks that other code runs. It is timed with the encoder's backbone if it
    must be timed and run_by_best_engine() has not done so."""
    names = tuple(_measured) or candidates()
    if len(names) > 1:
        from pipeline.models.backbones import tuned_lite0

        return run_by_best_engine(tuned_lite0().eval())[0]
    return names[0]


def openvino_engines(backbone: nn.Module, names: Iterable[EngineName]) -> dict[EngineName, Engine]:
    """Several engines of OpenVINO. The backbone is converted once, which takes longer than compiling it."""
    graph = openvino_graph(backbone)
    return {name: compile_openvino(graph, PRECISIONS[name]) for name in names}


def fastest(engines: Mapping[EngineName, Engine], clock: Callable[[], float] = time.perf_counter) -> EngineName:
    """The engine with the shortest run. They take turns, so that other work on the machine delays all alike."""
    images = np.random.default_rng(0).integers(0, 256, (TIMED_IMAGES, *WIDE, 3), dtype=np.uint8)
    shortest = dict.fromkeys(engines, float("inf"))
    begun, rounds = clock(), 0
    while rounds < TIMED_ROUNDS or clock() - begun < TIMED_SECONDS:
        for name, run in engines.items():
            started = clock()
            run(images)
            shortest[name] = min(shortest[name], clock() - started)
        rounds += 1
    return min(shortest, key=shortest.__getitem__)
