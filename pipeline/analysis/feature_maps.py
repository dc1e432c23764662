"""What the CNN's layers make of a frame, and which regions support a label."""

from __future__ import annotations

import numpy as np
import torch

from pipeline.models.efficientnet_lite import EfficientNetLite0


def class_activation_map(readout: torch.nn.Linear, regions: np.ndarray, label: int) -> np.ndarray:
    """Which region of a picture spoke for a label: class activation mapping (Zhou et al. 2016).

    ``regions`` is (R, D); features are their mean and the evidence is linear, so the R values add up to the label's
    score without its bias, exactly.
    """
    return regions @ readout.weight[label].detach().numpy() / len(regions)


LAYERS = {  # name -> after which block of EfficientNet-Lite0; -1 is the stem, before any
    "the first convolution": -1,
    "block 3": 2,
    "block 5": 4,
    "block 11": 10,
    "block 16": 15,
}


MAPS_PER_LAYER = 8  # shown of each layer


@torch.inference_mode()
def feature_maps(network: EfficientNetLite0, picture: np.ndarray) -> dict[str, np.ndarray]:
    """What some layers make of a picture (H, W, 3) uint8 on its canvas: of each the PLANES planes that vary most over
    this picture, (PLANES, h, w) from -1 to 1, each stretched to its own darkest and brightest value."""
    maps, x = {}, network.stem(network.normalise(torch.from_numpy(picture)[None]))
    wanted = {block: name for name, block in LAYERS.items()}
    for block in range(-1, max(wanted) + 1):
        x = network.blocks[block](x) if block >= 0 else x
        if block in wanted:
            planes = x[0].numpy()
            planes = planes[np.argsort(-planes.std((1, 2)), kind="stable")[:MAPS_PER_LAYER]]
            low, high = planes.min((1, 2), keepdims=True), planes.max((1, 2), keepdims=True)
            maps[wanted[block]] = 2 * (planes - low) / np.maximum(high - low, 1e-9) - 1
    return maps
