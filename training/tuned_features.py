"""What the tuned CNN makes of every cached picture, for the networks that are fitted next.

    python -m training.features --out cache
    python -m training.tuned --cache cache --weights weights

Written, float16: ``tuned.npy`` (N, D), the features of every cached picture but the other crops, and ``regions.npy``
(2, photos, R, D), the regions of Flickr8k's photos in order of items, then those of the mirrored photos.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.models.backbones import tuned_lite0
from pipeline.models.checkpoint import WEIGHTS
from pipeline.models.efficientnet_lite import FEATURE_SIZE, EfficientNetLite0
from pipeline.models.encoder import REGIONS
from pipeline.models.engines import import_openvino
from training.data import Item, load_items
from training.feature_cache import CHANNELS, OTHER_CROP, POSITIONS, FeatureCache


class Upper(nn.Module):
    """The part of the network that is run on cached maps: (B, C, h, w) -> features (B, D), regions (B, R, D)."""

    def __init__(self, model: EfficientNetLite0) -> None:
        super().__init__()
        self.model = model

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        regions = self.model.upper(maps.float()).flatten(2)
        return regions.mean(2), regions.transpose(1, 2)


def save_tuned_features(
    model: EfficientNetLite0, cache: FeatureCache, items: list[Item], folder: Path, batch: int = 32
) -> None:
    """Write what this module promises into ``folder``."""
    ov = import_openvino()
    example = torch.zeros(2, CHANNELS, *POSITIONS[False], dtype=torch.float16)
    graph = ov.convert_model(Upper(model).requires_grad_(False), example_input=example)
    network = ov.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    features = np.zeros((len(cache.item), FEATURE_SIZE), np.float16)
    photos = [n for n, item in enumerate(items) if item.source == "flickr8k"]
    regions = np.zeros((2, len(photos), REGIONS, FEATURE_SIZE), np.float16)
    place = {n: k for k, n in enumerate(photos)}
    for tall, (height, width) in POSITIONS.items():
        mine = np.flatnonzero((cache.tall == tall) & (cache.kind != OTHER_CROP))
        for rows in np.array_split(mine, len(mine) // batch + 1):
            maps = cache.maps[rows].reshape(-1, CHANNELS, height, width)
            features[rows], found = network(maps).values()
            shown = [k for k, n in enumerate(cache.item[rows]) if n in place]
            if shown:
                where = [place[n] for n in cache.item[rows[shown]]]
                regions[0, where] = found[shown]
                regions[1, where] = network(np.ascontiguousarray(maps[shown, ..., ::-1]))[1]
    np.save(folder / "tuned.npy", features)
    np.save(folder / "regions.npy", regions)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="folder that training.features wrote")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="folder with the tuned encoder")
    args = parser.parse_args()
    save_tuned_features(tuned_lite0(args.weights), FeatureCache(args.cache), load_items(), args.cache)


if __name__ == "__main__":
    main()
