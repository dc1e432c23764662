"""Whether eight-bit weights and activations would pay: how much faster they are, and what they lose.

    python -m benchmarks.quantised [--rounds 5]

ONNX Runtime's static quantisation (per channel, calibrated on training photos) of the tuned CNN, against the float32
engine in use; and how often the LSTM names the held-out stills of sports22 rightly from the features of each. Needs
the training data.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from onnxruntime import InferenceSession
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from benchmarks.results import ratio, result, side_by_side, table
from pipeline.action import load_action
from pipeline.canvas import WIDE, fitted
from pipeline.encoder import BATCH, FrameFeatures, load_encoder
from training.data import load_items

CALIBRATED_ON = 256  # photos
METHODS = {"minmax": CalibrationMethod.MinMax, "percentile": CalibrationMethod.Percentile}

Run = Callable[[np.ndarray], np.ndarray]  # (B, H, W, 3) uint8 -> (B, D)


class Photos(CalibrationDataReader):
    def __init__(self, photos: np.ndarray) -> None:
        self._batches = iter(np.array_split(photos, len(photos) // BATCH))

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"images": batch}


def pictures(paths: list[Path]) -> np.ndarray:
    found = [fitted(cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)) for path in paths]
    return np.stack([image for image in found if image.shape[:2] == WIDE])


def quantised(folder: Path, photos: np.ndarray, method: CalibrationMethod) -> Run:
    whole, prepared, small = (folder / f"{name}.onnx" for name in ("whole", "prepared", "small"))
    example, names = torch.zeros(2, *WIDE, 3, dtype=torch.uint8), ["images", "features", "maps"]
    axes = {name: {0: "B"} for name in names}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            load_encoder(engine="torch").backbone,
            (example,),
            whole,
            dynamo=False,
            dynamic_axes=axes,
            input_names=names[:1],
            output_names=names[1:],
        )
    quant_pre_process(whole, prepared)
    quantize_static(
        prepared, small, Photos(photos), per_channel=True, calibrate_method=method, op_types_to_quantize=["Conv"]
    )
    session = InferenceSession(small, providers=["CPUExecutionProvider"])
    return lambda images: session.run(["features"], {"images": images})[0]


def top1(run: Run, images: np.ndarray, labels: list[str]) -> float:
    model, right = load_action("lstm"), 0
    for start in range(0, len(images), BATCH):
        for features, label in zip(run(images[start : start + BATCH]), labels[start : start + BATCH], strict=True):
            right += model.verdict(list(model.read([FrameFeatures(0, 0.0, features)]))).label == label
    return right / len(images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    items = load_items()
    photos = pictures([item.paths[0] for item in items if item.source == "flickr8k" and not item.held_out][:800])
    stills = [item for item in items if item.source == "sports22" and item.held_out]
    stills = [item for item in stills if pictures_fit(item.paths[0])]
    images, labels = pictures([item.paths[0] for item in stills]), [item.label for item in stills]
    encoder = load_encoder()
    ways: dict[str, Run] = {"float32": lambda batch: encoder.encode(list(batch)).features}
    with tempfile.TemporaryDirectory() as folder:
        for name, method in METHODS.items():
            ways[name] = quantised(Path(folder), photos[:CALIBRATED_ON], method)
        seconds = side_by_side({name: partial(run, images[:BATCH]) for name, run in ways.items()}, 5 * rounds)
    rates = {name: [BATCH / s for s in each] for name, each in seconds.items()}
    print(table(result(n, rates[n], "images/s", ratio(seconds["float32"], seconds[n]), "float32") for n in ways))
    for name, run in ways.items():
        print(f"{name:12} top-1 {top1(run, images, labels):.3f} of {len(images)} held-out stills")


def pictures_fit(path: Path) -> bool:
    image = cv2.imread(str(path))
    return image.shape[1] >= image.shape[0]


if __name__ == "__main__":
    main()
