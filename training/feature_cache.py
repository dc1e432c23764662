"""Cache the output of the CNN's frozen blocks for every training picture, so that no epoch decodes images.

    python -m training.feature_cache --out cache

Kinds of pictures of an item:

* ``FRAME``: the frames as the app would read them;
* ``MOTION``: the difference images between frames and the next ones of their bursts (videos only);
* ``CROP`` and ``CROP_MOTION``: for labelled photos, a random crop (mirrored half of the time), and its difference to
  the same crop under a slight pan and zoom, as a hand-held camera makes it. Without it the network would learn that
  motion always means one of the classes with videos;
* ``OTHER_CROP``: a second random crop, used only to tune the encoder.

Writes ``maps.raw`` (N, 80, 252) float16, the output of EfficientNet-Lite0's blocks 0 to 7 at 14 x 18 positions, or
18 x 14 for tall pictures; ``features.npy`` (N, 1280) float16, the features of the network before tuning; ``index.npz``
with, for each row, the index of the item, the step within it, the kind, and whether the picture is tall.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import cv2
import numpy as np
from torch import Tensor, nn

from pipeline.canvas import TALL, WIDE, canvas, fit_to_canvas
from pipeline.media.reader import read_clip
from pipeline.models.efficientnet_lite import STRIDE, EfficientNetLite0, imagenet_lite0
from pipeline.models.engines import openvino_engine
from pipeline.models.video_encoder import continues
from training.data import Item, load_items

FRAME, MOTION, CROP, CROP_MOTION, OTHER_CROP = range(5)
CHANNELS = 80
POSITIONS = {tall: tuple(2 * side // STRIDE for side in (TALL if tall else WIDE)) for tall in (False, True)}
GAIN, GREY = 1.5, 127.0  # of difference images: an edge with a contrast of 85 of 255 uses the full range
BATCH = 16
SEED = 0


def random_crop(image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A random crop of a photo, and the same crop a moment later, after a slight pan and zoom."""
    height, width = image.shape[:2]
    area, aspect = rng.uniform(0.45, 0.95), np.exp(rng.uniform(-0.25, 0.25))
    h, w = min(np.sqrt(area * aspect), 1.0) * height, min(np.sqrt(area / aspect), 1.0) * width
    y, x = rng.uniform(0, height - h), rng.uniform(0, width - w)
    if rng.random() < 0.5:
        image, x = image[:, ::-1], width - w - x
    pan = rng.normal(0, 0.02, 2) * rng.integers(0, 2)  # half of the time the camera does not move
    zoom = 1 + rng.normal(0, 0.02) * rng.integers(0, 2)
    later = (y + pan[0] * h, x + pan[1] * w, h * zoom, w * zoom)
    return _crop(image, y, x, h, w), _crop(image, *later)


def _crop(image: np.ndarray, y: float, x: float, h: float, w: float) -> np.ndarray:
    """The part of the image from (y, x) on, h x w pixels, resized to the canvas."""
    height, width = canvas(image)
    scale = np.array([[width / w, 0, -x * width / w], [0, height / h, -y * height / h]])
    return cv2.warpAffine(
        np.ascontiguousarray(image),
        scale,
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT,
    )


def difference_image(now: np.ndarray, later: np.ndarray) -> np.ndarray:
    """Two (H, W, 3) uint8 images of one size -> (H, W, 3) uint8, grey where nothing changed, lighter or darker at
    moving edges: motion as an image that the CNN can encode. Rounded, and cut off at 0 and 255."""
    return cv2.addWeighted(later, GAIN, now, -GAIN, GREY)


def pictures(item: Item, rng: np.random.Generator) -> Iterator[tuple[int, int, np.ndarray]]:
    """(step, kind, (H, W, 3) uint8) of every picture of an item that is cached."""
    if item.is_video:
        frames = read_clip(item.paths[0]).frames
        for frame, later in zip_longest(frames, frames[1:]):
            yield frame.index, FRAME, frame.image
            if later is not None and continues(later.time - frame.time):
                yield frame.index, MOTION, difference_image(frame.image, later.image)
        return
    for step, path in enumerate(item.paths):
        image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        if image is None:
            raise FileNotFoundError(f"{path} cannot be read as an image.")
        yield step, FRAME, fit_to_canvas(image)
        if item.label is not None:
            now, later = random_crop(image, rng)
            yield step, CROP, now
            yield step, CROP_MOTION, difference_image(now, later)
            yield step, OTHER_CROP, random_crop(image, rng)[0]


class FeatureCache:
    """The files written by ``python -m training.feature_cache``, opened for reading."""

    def __init__(self, folder: Path) -> None:
        self.features = np.load(folder / "features.npy")  # (N, 1280) float16
        shape = (len(self.features), CHANNELS, math.prod(POSITIONS[False]))
        self.maps = np.memmap(folder / "maps.raw", np.float16, "r", shape=shape)
        index = np.load(folder / "index.npz")
        self.item, self.step, self.kind, self.tall = index["item"], index["step"], index["kind"], index["tall"]
        self.rows: dict[tuple[int, int], list[int]] = defaultdict(list)  # (item, kind) -> rows, by step
        for row, (item, kind) in enumerate(zip(self.item.tolist(), self.kind.tolist(), strict=True)):
            self.rows[item, kind].append(row)


class LowerBlocksAndFeatures(nn.Module):
    """Images (B, H, W, 3) uint8 -> maps after the frozen blocks (B, C, h, w), features (B, D), both float16."""

    def __init__(self, model: EfficientNetLite0) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.model.lower(self.model.normalise(images))
        return maps.half(), self.model.upper(maps).flatten(2).mean(2).half()


def write_cache(items: list[Item], folder: Path) -> None:
    """Encode every picture of the items and write the three files of the cache."""
    run = openvino_engine(LowerBlocksAndFeatures(imagenet_lite0()))
    rng, started = np.random.default_rng(SEED), time.time()
    features: list[np.ndarray] = []
    index: list[tuple[int, int, int, bool]] = []
    batch: list[np.ndarray] = []
    with (folder / "maps.raw").open("wb") as file:

        def encode_batch() -> None:
            maps, batch_features = run(np.stack(batch))
            file.write(maps.tobytes())
            features.append(batch_features)
            batch.clear()

        for number, item in enumerate(items):
            for step, kind, image in pictures(item, rng):
                if len(batch) == BATCH or (batch and batch[0].shape != image.shape):
                    encode_batch()
                batch.append(image)
                index.append((number, step, kind, image.shape[0] > image.shape[1]))
            if number % 500 == 0:
                rate = len(index) / (time.time() - started)
                print(f"{number}/{len(items)} items, {len(index)} pictures, {rate:.0f} per second", flush=True)
        encode_batch()
    np.save(folder / "features.npy", np.concatenate(features))
    columns = dict(zip(("item", "step", "kind", "tall"), np.array(index).T, strict=True))
    np.savez(folder / "index.npz", **columns | {"tall": columns["tall"].astype(bool)})
    print(f"{len(index)} pictures in {time.time() - started:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the cache")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    write_cache(load_items(), out)


if __name__ == "__main__":
    main()
