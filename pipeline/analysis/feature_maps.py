"""Inside the CNN: the feature maps of its layers, and which image regions support a label."""

from __future__ import annotations

import numpy as np
import torch

from pipeline.models.efficientnet_lite import EfficientNetLite0


def class_activation_map(readout: torch.nn.Linear, regions: np.ndarray, label: int) -> np.ndarray:
    """How much each image region supports a label, (R,): class activation mapping (Zhou et al. 2016).

    ``regions`` is (R, D). The features are their mean and the classifier is linear, so the R values add up to the
    label's score without its bias.
    """
    return regions @ readout.weight[label].detach().numpy() / len(regions)


LAYERS = {  # name -> number of a block of EfficientNet-Lite0; -1 is the stem
    "the first convolution": -1,
    "block 3": 2,
    "block 5": 4,
    "block 11": 10,
    "block 16": 15,
}
MAPS_PER_LAYER = 8


@torch.inference_mode()
def feature_maps(network: EfficientNetLite0, image: np.ndarray) -> dict[str, np.ndarray]:
    """The feature maps of LAYERS for an image (H, W, 3) uint8 on its canvas, by the layer's name.

    Of each layer, the K = MAPS_PER_LAYER maps that vary most over this image, (K, h, w), each scaled to -1..1.
    """
    maps, x = {}, network.stem(network.normalise(torch.from_numpy(image)[None]))
    wanted = {block: name for name, block in LAYERS.items()}
    for block in range(-1, max(wanted) + 1):
        x = network.blocks[block](x) if block >= 0 else x
        if block in wanted:
            layer = x[0].numpy()
            layer = layer[np.argsort(-layer.std((1, 2)), kind="stable")[:MAPS_PER_LAYER]]
            low, high = layer.min((1, 2), keepdims=True), layer.max((1, 2), keepdims=True)
            maps[wanted[block]] = 2 * (layer - low) / np.maximum(high - low, 1e-9) - 1
    return maps
