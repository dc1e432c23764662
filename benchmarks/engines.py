"""How fast the encoder's engines are, side by side, and how closely they agree with torch.

    python -m benchmarks.engines [--rounds 5]

Every engine encodes the same batch of real frames in turn, round after round, so that a machine whose speed drifts
slows all of them alike; the median rate is printed with its ratio to eager torch, and the smallest cosine between the
engine's features and torch's.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
import warnings

import numpy as np
import torch
from torch import nn

from pipeline.canvas import WIDE
from pipeline.encoder import BATCH, Engine, openvino_engine, torch_engine, tuned_lite0
from pipeline.media import read_clip
from pipeline.samples import sample_path

SECONDS = 2.0  # of each engine in each round


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


ENGINES = {
    "torch, eager": torch_engine,
    "torch, channels last": channels_last_engine,
    "OpenVINO": openvino_engine,
    "ONNX Runtime": onnxruntime_engine,
}


def rate(run: Engine, images: np.ndarray) -> float:
    """Images a second over about SECONDS."""
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        run(images)
        count += len(images)
    return count / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    frames = read_clip(sample_path("bikes")).frames[:BATCH]
    images = np.stack([frame.image for frame in frames])
    runs, rates, prepared = {}, {name: [] for name in ENGINES}, {}
    for name, build in ENGINES.items():
        started = time.perf_counter()
        runs[name] = build(tuned_lite0())
        runs[name](images)
        prepared[name] = time.perf_counter() - started
    for _ in range(rounds):
        for name, run in runs.items():
            rates[name].append(rate(run, images))
    reference = runs["torch, eager"](images)[0]
    base = statistics.median(rates["torch, eager"])
    print(f"batches of {len(images)}, {torch.get_num_threads()} threads, median of {rounds} rounds")
    for name, run in runs.items():
        features = run(images)[0]
        cosine = (features * reference).sum(1) / np.linalg.norm(features, axis=1) / np.linalg.norm(reference, axis=1)
        middle = statistics.median(rates[name])
        print(
            f"{name:22} {middle:6.1f} images a second  {middle / base:4.2f} of eager  ready in {prepared[name]:4.1f} s"
            f"  cosine >= {cosine.min():.6f}"
        )


if __name__ == "__main__":
    main()
