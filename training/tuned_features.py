"""Save the tuned CNN's features of every cached picture, for training the recurrent networks.

    python -m training.feature_cache --out cache
    python -m training.encoder --cache cache
    python -m training.tuned_features --cache cache --weights weights

Writes two float16 arrays: ``tuned.npy`` (N, D), the features of every cached picture except those of kind OTHER_CROP,
and ``regions.npy`` (2, photos, R, D), the regions of the Flickr8k photos in the order of the items, then those of the
mirrored photos.
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


class UpperBlocks(nn.Module):
    """The tuned part of the network, on cached maps (B, C, h, w) -> features (B, D), regions (B, R, D)."""

    def __init__(self, model: EfficientNetLite0) -> None:
        super().__init__()
        self.model = model

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        regions = self.model.upper(maps.float()).flatten(2)
        return regions.mean(2), regions.transpose(1, 2)


def save_tuned_features(
    model: EfficientNetLite0, cache: FeatureCache, items: list[Item], folder: Path, batch: int = 32
) -> None:
    """Write ``tuned.npy`` and ``regions.npy`` into ``folder``."""
    ov = import_openvino()
    example = torch.zeros(2, CHANNELS, *POSITIONS[False], dtype=torch.float16)
    graph = ov.convert_model(UpperBlocks(model).requires_grad_(False), example_input=example)
    network = ov.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    features = np.zeros((len(cache.item), FEATURE_SIZE), np.float16)
    photos = [n for n, item in enumerate(items) if item.source == "flickr8k"]
    regions = np.zeros((2, len(photos), REGIONS, FEATURE_SIZE), np.float16)
    photo_row = {n: k for k, n in enumerate(photos)}
    for tall, (height, width) in POSITIONS.items():
        same_shape = np.flatnonzero((cache.tall == tall) & (cache.kind != OTHER_CROP))
        for rows in np.array_split(same_shape, len(same_shape) // batch + 1):
            maps = cache.maps[rows].reshape(-1, CHANNELS, height, width)
            features[rows], batch_regions = network(maps).values()
            in_batch = [k for k, n in enumerate(cache.item[rows]) if n in photo_row]
            if in_batch:
                targets = [photo_row[n] for n in cache.item[rows[in_batch]]]
                regions[0, targets] = batch_regions[in_batch]
                regions[1, targets] = network(np.ascontiguousarray(maps[in_batch, ..., ::-1]))[1]
    np.save(folder / "tuned.npy", features)
    np.save(folder / "regions.npy", regions)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="folder written by training.feature_cache")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="folder with the tuned encoder")
    args = parser.parse_args()
    save_tuned_features(tuned_lite0(args.weights), FeatureCache(args.cache), load_items(), args.cache)


if __name__ == "__main__":
    main()
