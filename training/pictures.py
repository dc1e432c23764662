"""Cache what the image encoder makes of every photo, and of some frames of every clip.

    python -m training.pictures --more ../data-more --out ../cache/pictures

Each picture is encoded as the app would read it. Each training picture is also encoded once more *made alike*: a random
part of it, resized, blurred and compressed at random. The sources differ in size, sharpness and compression; a network
that sees them as they are can name the source instead of the action (``python -m training.source_test``).

For each source, four files are written; a source that is there already is left as it is. ``<source>.json`` lists the
items; ``<source>.npz`` has ``features`` (N, 1280) float16 of the tuned encoder, ``before`` (N, 1280) float16 of the
encoder with its ImageNet weights, and for each row the ``item``, whether the picture was made ``alike`` and whether it
is ``tall``; ``<source>.thumbs.npy`` (items, 64) uint8 is the first picture of each item at 8 x 8 in grey;
``<source>.maps`` (N, 80, 252) float16 is the output of blocks 0 to 7, from which the encoder is tuned.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from torch import Tensor, nn

from pipeline.canvas import canvas, fit_to_canvas
from pipeline.media import MediaError, read_clip
from pipeline.models.backbones import tuned_lite0
from pipeline.models.checkpoint import WEIGHTS
from pipeline.models.efficientnet_lite import EfficientNetLite0, imagenet_lite0
from pipeline.models.engines import OPENVINO_CONFIG, import_openvino, openvino_graph
from training.data import Item, load_items, load_more

FRAMES_OF_A_VIDEO = 4
BATCH = 16
SEED = 0


def made_alike(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random part of a picture, resized, blurred and compressed at random, on the canvas; (H, W, 3) uint8."""
    height, width = image.shape[:2]
    area, aspect = rng.uniform(0.4, 1.0), np.exp(rng.uniform(-0.25, 0.25))
    h, w = (int(min(np.sqrt(area * a), 1.0) * side) for a, side in ((aspect, height), (1 / aspect, width)))
    y, x = rng.integers(0, height - h + 1), rng.integers(0, width - w + 1)
    part = np.ascontiguousarray(image[y : y + h, x : x + w][:, :: rng.choice([-1, 1])])
    side = np.exp(rng.uniform(np.log(90), np.log(288)))  # pixels, of the short side
    scale = min(1.0, side / min(part.shape[:2]))
    size = max(16, round(part.shape[1] * scale)), max(16, round(part.shape[0] * scale))
    part = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    if rng.random() < 0.3:
        part = cv2.GaussianBlur(part, (0, 0), rng.uniform(0.3, 1.5))
    _, data = cv2.imencode(".jpg", part, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 96))])
    compressed = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert compressed is not None
    return fit_to_canvas(compressed)


def chosen_frames(count: int) -> np.ndarray:
    """The indices of the frames of a video that are cached, if it has ``count``."""
    return np.unique(np.linspace(0, count - 1, FRAMES_OF_A_VIDEO + 2).round()[1:-1].astype(int))


def images_of(item: Item) -> list[np.ndarray]:
    """The pictures of an item, at most 288 pixels on the short side; some frames of a video. May raise MediaError."""
    if item.is_video:
        frames = read_clip(item.paths[0]).frames
        return [frames[k].image for k in chosen_frames(len(frames))]
    images = [cv2.imread(str(path), cv2.IMREAD_COLOR_RGB) for path in item.paths]
    return [image for image in images if image is not None]


def pictures_of(item: Item, seed: int) -> list[tuple[bool, np.ndarray]]:
    """(made alike, picture on the canvas), as the app would read them first."""
    rng = np.random.default_rng((SEED, seed))
    try:
        images = images_of(item)
    except MediaError as error:
        print(f"left out: {error}", flush=True)
        return []
    alike = [] if item.held_out else [(True, made_alike(image, rng)) for image in images]
    return [(False, fit_to_canvas(image)) for image in images] + alike


class Features(nn.Module):
    """Images (B, H, W, 3) uint8 -> maps after the frozen blocks (B, C, h, w), features of the tuned encoder and of the
    one before tuning (B, D)."""

    def __init__(self, tuned: EfficientNetLite0, before: EfficientNetLite0) -> None:
        super().__init__()
        self.tuned, self.before = tuned, before

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        maps = self.before.lower(self.before.normalise(images))
        features, before = (net.upper(maps).flatten(2).mean(2) for net in (self.tuned, self.before))
        return maps.half(), features.half(), before.half()


class Encoders:
    """Both encoders in one network, run by OpenVINO in bfloat16; a compiled network for each canvas."""

    def __init__(self, weights: Path) -> None:
        self.graph = openvino_graph(Features(tuned_lite0(weights), imagenet_lite0()).eval())
        self.compiled: dict[tuple[int, int], Any] = {}

    def __call__(self, images: np.ndarray) -> list[np.ndarray]:
        size = images.shape[1:3]
        if size not in self.compiled:
            self.graph.reshape([-1, *size, 3])
            settings = {**OPENVINO_CONFIG, "INFERENCE_PRECISION_HINT": "bf16"}
            self.compiled[size] = import_openvino().compile_model(self.graph, "CPU", settings)
        return list(self.compiled[size](images).values())


@dataclass
class Rows:
    """What is written beside the maps, row by row."""

    features: list[np.ndarray] = field(default_factory=list)
    before: list[np.ndarray] = field(default_factory=list)
    item: list[int] = field(default_factory=list)
    alike: list[bool] = field(default_factory=list)
    tall: list[bool] = field(default_factory=list)


def decoded(items: list[Item]) -> Iterator[list[tuple[bool, np.ndarray]]]:
    """The pictures of each item, decoded in a second thread while the network runs."""
    with ThreadPoolExecutor(1) as pool:
        waiting = [pool.submit(pictures_of, item, k) for k, item in enumerate(items[:32])]
        for k in range(len(items)):
            yield waiting[k].result()
            waiting[k] = None  # type: ignore[call-overload]  # its pictures are not kept
            if k + 32 < len(items):
                waiting.append(pool.submit(pictures_of, items[k + 32], k + 32))


def cache_source(encoders: Encoders, items: list[Item], stem: Path) -> int:
    """Write the files of one source; the number of its pictures."""
    rows, thumbs = Rows(), np.zeros((len(items), 64), np.uint8)
    groups: dict[bool, list[tuple[int, bool, np.ndarray]]] = {False: [], True: []}
    with stem.with_suffix(".maps.part").open("wb") as file:

        def encode(tall: bool) -> None:
            if group := groups[tall]:
                maps, features, before = encoders(np.stack([image for _, _, image in group]))
                file.write(maps.tobytes())
                rows.features.append(features)
                rows.before.append(before)
                rows.item += [n for n, _, _ in group]
                rows.alike += [alike for _, alike, _ in group]
                rows.tall += [tall] * len(group)
                groups[tall] = []

        for number, pictures in enumerate(decoded(items)):
            for alike, image in pictures:
                tall = image.shape[:2] != canvas(np.empty((1, 2)))
                groups[tall].append((number, alike, image))
                if len(groups[tall]) == BATCH:
                    encode(tall)
            if pictures:
                grey = cv2.cvtColor(pictures[0][1], cv2.COLOR_RGB2GRAY)
                thumbs[number] = cv2.resize(grey, (8, 8), interpolation=cv2.INTER_AREA).ravel()
        encode(False)
        encode(True)
    features, before = np.concatenate(rows.features), np.concatenate(rows.before)
    item, alike_rows, tall_rows = (np.array(column) for column in (rows.item, rows.alike, rows.tall))
    path = stem.with_suffix(".npz")
    np.savez(path, features=features, before=before, item=item, alike=alike_rows, tall=tall_rows)
    np.save(stem.with_suffix(".thumbs.npy"), thumbs)
    stem.with_suffix(".maps.part").rename(stem.with_suffix(".maps"))
    listed = [{**asdict(item), "paths": list(map(str, item.paths))} for item in items]
    stem.with_suffix(".json").write_text(json.dumps(listed))
    return len(features)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--more", type=Path, required=True, help="the folder that ../shared/data/more/build.py wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder for the cache")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="folder with the tuned encoder")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    by_source: dict[str, list[Item]] = defaultdict(list)
    for item in [*load_items(), *load_more(args.more)]:
        by_source[item.source].append(item)
    encoders = Encoders(args.weights)
    for source, items in sorted(by_source.items(), key=lambda pair: pair[1][0].is_video):  # photos first
        if not (args.out / f"{source}.json").exists():
            started = time.time()
            count = cache_source(encoders, items, args.out / source)
            print(f"{source}: {count} pictures of {len(items)} items in {time.time() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
