"""Backbones: pretrained CNNs by name, each with its own preprocessing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.models.checkpoint import WEIGHTS, load_checkpoint
from pipeline.models.efficientnet_lite import EfficientNetLite0, imagenet_lite0

DEFAULT_BACKBONE = "lite0-tuned"


def tuned_lite0(weights: Path = WEIGHTS) -> EfficientNetLite0:
    """EfficientNet-Lite0 with its upper blocks tuned by training/encoder.py, from weights/encoder.safetensors."""
    model = EfficientNetLite0()
    tensors, _ = load_checkpoint(weights / "encoder")
    counters = {name: t for name, t in model.state_dict().items() if name.endswith("num_batches_tracked")}
    model.load_state_dict({**counters, **tensors}, strict=True)
    return model.eval()


class TorchvisionBackbone(nn.Module):
    """A torchvision classifier, split into its convolutions (up to the last map) and its classifier."""

    mean: Tensor
    std: Tensor

    def __init__(self, body: nn.Module, head: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.body, self.head = body, head
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("std", torch.tensor(std)[:, None, None])

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        x = (images.permute(0, 3, 1, 2).float() / 255.0 - self.mean) / self.std
        maps = self.body(x).flatten(2)  # (B, D, R)
        return maps.mean(2), maps.transpose(1, 2)

    def classify(self, features: Tensor) -> Tensor:
        return self.head(features)


# Called with (B, H, W, 3) uint8 RGB, a backbone normalises its own input and gives features (B, D) and the last maps
# (B, R, D), whose mean over the regions the features are; ``classify`` turns (B, D) into ImageNet logits (B, C).
Backbone = EfficientNetLite0 | TorchvisionBackbone


def torchvision_backbone(name: str, pretrained: bool = True) -> TorchvisionBackbone:
    """mobilenet_v3_large, efficientnet_b0 or resnet50; downloads the published weights if ``pretrained``."""
    from torchvision import models

    published = models.get_model_weights(name).DEFAULT
    network = models.get_model(name, weights=published if pretrained else None)
    scale = published.transforms()
    if name == "resnet50":
        body, head = nn.Sequential(*list(network.children())[:-2]), network.fc
    else:
        body, head = network.features, network.classifier
    return TorchvisionBackbone(body, head, scale.mean, scale.std).eval()


BACKBONES: dict[str, Callable[[], Backbone]] = {
    DEFAULT_BACKBONE: tuned_lite0,
    "lite0": imagenet_lite0,
    "mobilenet_v3_large": lambda: torchvision_backbone("mobilenet_v3_large"),
    "efficientnet_b0": lambda: torchvision_backbone("efficientnet_b0"),
    "resnet50": lambda: torchvision_backbone("resnet50"),
}


def imagenet_classes() -> list[str]:
    """The names of the C ImageNet classes, in order (they come with torchvision)."""
    from torchvision.models import EfficientNet_B0_Weights

    return EfficientNet_B0_Weights.DEFAULT.meta["categories"]
