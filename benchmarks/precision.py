"""Numeric precision of the CNN: speed and loss of accuracy in float32, bfloat16 and eight bits.

    pip install nncf && python -m benchmarks.precision [--rounds 5]

OpenVINO runs all three. Its tool NNCF makes the eight-bit network (post-training quantisation, per channel, calibrated
on training photos); nothing else needs NNCF. Accuracy is measured by the LSTM's labels of all held-out clips, and by
captions, with beam width 3, of the official validation photos and clips. Needs the training data.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial

import cv2
import numpy as np
from torch import nn

from benchmarks.engines import least_cosine
from benchmarks.results import Result, ratio, result, side_by_side, table
from pipeline.canvas import WIDE, fit_to_canvas
from pipeline.models.action import load_action
from pipeline.models.backbones import tuned_lite0
from pipeline.models.caption import load_caption
from pipeline.models.encoder import BATCH, Encoder
from pipeline.models.engines import ENGINES, Engine, compile_openvino, openvino_graph
from training.data import load_items
from training.evaluate import action_figures, caption_figures, encode_items, held_out_items, validation_features

CALIBRATION_PHOTOS = 300  # photos
BEAM = 3


def photos(count: int) -> list[np.ndarray]:
    """Training photos with the wide canvas."""
    paths = (item.paths[0] for item in load_items() if item.source == "flickr8k" and not item.held_out)
    pictures = (fit_to_canvas(cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)) for path in paths)
    wide = (picture for picture in pictures if picture.shape[:2] == WIDE)
    return [next(wide) for _ in range(count)]


def eight_bit_engine(backbone: nn.Module) -> Engine:
    import nncf

    data = nncf.Dataset([photo[None] for photo in photos(CALIBRATION_PHOTOS)])
    graph = openvino_graph(backbone.requires_grad_(False))
    small = nncf.quantize(graph, data, preset=nncf.QuantizationPreset.MIXED, subset_size=CALIBRATION_PHOTOS)
    return compile_openvino(small, "f32")  # for the layers that are not in eight bits


PRECISIONS = {"float32": "openvino", "bfloat16": "openvino-bf16", "int8": "openvino-int8"}  # their engines


def speed(encoders: dict[str, Encoder], rounds: int) -> Iterator[Result]:
    """Images per second of every precision, eight at a time and one at a time."""
    pictures = photos(64)
    exact = encoders["float32"].encode(pictures).features
    for size, name in ((BATCH, ""), (1, "_one_at_a_time")):
        batches = [pictures[k : k + size] for k in range(0, len(pictures), size)]
        ways = {n: partial(lambda e, b: [e.encode(batch) for batch in b], e, batches) for n, e in encoders.items()}
        seconds = side_by_side(ways, rounds)
        for way, took in seconds.items():
            cosine = least_cosine(encoders[way].encode(pictures).features, exact)
            rates = [len(pictures) / s for s in took]
            gain = ratio(seconds["float32"], took)
            yield result(way + name, rates, "images/s", gain, f"float32, cosine to it >= {cosine:.4f}")


def accuracy(encoder: Encoder) -> str:
    """Accuracy of recogniser and captioners with this encoder's features, on held-out items."""
    items = held_out_items()
    figures = action_figures(load_action("lstm"), items, encode_items(encoder, items))
    sources = {**figures["by_source"], "all": figures["all"]}
    columns = [f"top-1 {source} {own['top1']:.3f}" for source, own in sources.items()]
    for kind in ("photo", "clip"):
        measures = caption_figures(load_caption(kind, "lstm"), *validation_features(kind, encoder), BEAM)
        columns.append(f"CIDEr of {kind}s {measures['CIDEr']:.3f}")
    return ", ".join(columns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    ENGINES["openvino-int8"] = eight_bit_engine
    encoders = {name: Encoder(tuned_lite0(), engine) for name, engine in PRECISIONS.items()}
    print(table(speed(encoders, rounds)), flush=True)
    for name, encoder in encoders.items():
        print(f"{name:10} {accuracy(encoder)}", flush=True)


if __name__ == "__main__":
    main()
