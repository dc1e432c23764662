"""Speed of the encoder's engines, side by side, and their agreement with torch.

Every engine encodes the same real frames, one at a time and eight at a time, in float32; OpenVINO also in bfloat16, if
the CPU has it. "ours" is our encoder in float32, with everything that Encoder.encode() does around its engine, against
the best engine in float32. "in use" is the encoder that is used on this machine, which may compute in bfloat16
(benchmarks/precision.py measures the loss of accuracy), against the best engine in float32 and against the best of all.
"""

from __future__ import annotations

import io
import statistics
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn

from benchmarks.results import Result, ratio, result, side_by_side
from pipeline.canvas import WIDE
from pipeline.media.reader import read_clip
from pipeline.media.samples import BIKES, source_path
from pipeline.models.backbones import tuned_lite0
from pipeline.models.encoder import BATCH, Encoder, load_encoder
from pipeline.models.engines import Engine, openvino_engine, supports_bf16, torch_engine


def channels_last_engine(backbone: nn.Module) -> Engine:
    return torch_engine(tuned_lite0().to(memory_format=torch.channels_last))


def onnxruntime_engine(backbone: nn.Module) -> Engine:
    import onnxruntime

    example, file = torch.zeros(2, *WIDE, 3, dtype=torch.uint8), io.BytesIO()
    names = {"input_names": ["images"], "output_names": ["features", "maps"]}
    batch = {name: {0: "B"} for name in ("images", "features", "maps")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(backbone, (example,), file, dynamo=False, dynamic_axes=batch, **names)
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    return lambda images: tuple(session.run(None, {"images": images}))


def compiled_engine(backbone: nn.Module) -> Engine:
    network = torch.compile(backbone, dynamic=False)

    @torch.inference_mode()
    def run(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        features, maps = network(torch.from_numpy(images))
        return features.numpy(), maps.numpy()

    return run


ENGINES: dict[str, Callable[[nn.Module], Engine]] = {
    "torch, eager": torch_engine,
    "torch, channels last": channels_last_engine,
    "torch, compiled": compiled_engine,
    "OpenVINO": openvino_engine,
    "ONNX Runtime": onnxruntime_engine,
}
BFLOAT16 = "OpenVINO, bfloat16"
REPEATS = 8  # runs per round


def measure(rounds: int) -> Iterator[Result]:
    frames = read_clip(source_path(BIKES)).frames[:BATCH]
    encoders = {"ours": load_encoder(engine="openvino"), "in use": load_encoder()}
    engines = {name: build(tuned_lite0()) for name, build in ENGINES.items()}
    if supports_bf16():
        engines[BFLOAT16] = openvino_engine(tuned_lite0(), "bf16")
    yield from batches([frame.image for frame in frames], encoders, engines, rounds)
    yield from batches([frames[0].image], encoders, engines, rounds)


def batches(
    pictures: list[np.ndarray], encoders: dict[str, Encoder], engines: dict[str, Engine], rounds: int
) -> Iterator[Result]:
    images, size = np.stack(pictures), len(pictures)
    ways = {name: repeated(lambda run=run: run(images)) for name, run in engines.items()}
    ways |= {name: repeated(lambda encoder=encoder: encoder.encode(pictures)) for name, encoder in encoders.items()}
    seconds = side_by_side(ways, rounds)
    in_order = sorted(engines, key=lambda name: statistics.median(seconds[name]))
    best = next(name for name in in_order if name != BFLOAT16)
    alone = "" if size > 1 else "_one_at_a_time"
    yield images_per_second(f"encoder_over_best_engine{alone}", size, seconds, "ours", best)
    by = f", by {encoders['in use'].engine}"
    yield images_per_second(f"encoder_in_use_over_best_engine{alone}", size, seconds, "in use", best, by)
    yield images_per_second(f"encoder_in_use_over_best_of_all{alone}", size, seconds, "in use", in_order[0], by)
    reference = engines["torch, eager"](images)[0]
    for engine, run in engines.items():
        cosine = least_cosine(run(images)[0], reference)
        label = engine.lower().replace(", ", "_").replace(" ", "_") + alone
        yield images_per_second(label, size, seconds, engine, "torch, eager", f", cosine to it >= {cosine:.6f}")


def repeated(run: Callable[[], object]) -> Callable[[], None]:
    def run_all() -> None:
        for _ in range(REPEATS):
            run()

    return run_all


def images_per_second(
    name: str, size: int, seconds: dict[str, list[float]], way: str, other: str, more: str = ""
) -> Result:
    rates = [size * REPEATS / s for s in seconds[way]]
    return result(name, rates, "images/s", ratio(seconds[other], seconds[way]), other + more)


def least_cosine(one: np.ndarray, other: np.ndarray) -> float:
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return float(((one * other).sum(1) / lengths).min())
