"""One-to-one: an image of a handwritten digit -> the digit. LeNet-5, the CNN with which the lecture begins.

LeCun et al. 1998, "Gradient-based learning applied to document recognition", Figure 2: conv, pool, conv, pool, fully
connected. Each feature map of a convolution comes from one small filter that moves over the whole image: weights shared
in space, as a recurrent network shares weights in time. Four deviations are usual today: tanh without scaling, mean
pooling without weights, every C3 map connected to every S2 map, and a softmax at the end.

Shapes: B images of 32 x 32 pixels; ink is 1, paper is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from pipeline.models.checkpoint import WEIGHTS, load_checkpoint

SIDE = 32
GRID = 8  # the training digits are 8 x 8 grey values, so every image is reduced to that first
MIN_CONTRAST = 0.06  # of the full range, between the darkest ink and the paper


class LeNetMaps(NamedTuple):
    """The output of every layer."""

    c1: Tensor  # (B, 6, 28, 28)
    s2: Tensor  # (B, 6, 14, 14)
    c3: Tensor  # (B, 16, 10, 10)
    s4: Tensor  # (B, 16, 5, 5)
    c5: Tensor  # (B, 120)
    f6: Tensor  # (B, 84)
    logits: Tensor  # (B, 10)


@dataclass(frozen=True)
class Digit:
    label: int
    probabilities: np.ndarray  # (10,) float32
    maps: LeNetMaps  # of this one image


class LeNet5(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.c1, self.c3 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
        self.c5, self.f6, self.out = nn.Linear(16 * 5 * 5, 120), nn.Linear(120, 84), nn.Linear(84, 10)
        self.pool, self.dropout = nn.AvgPool2d(2), nn.Dropout(0.3)

    def maps(self, ink: Tensor) -> LeNetMaps:
        c1 = torch.tanh(self.c1(ink))
        s2 = self.pool(c1)
        c3 = torch.tanh(self.c3(s2))
        s4 = self.pool(c3)
        c5 = torch.tanh(self.c5(s4.flatten(1)))
        f6 = torch.tanh(self.f6(self.dropout(c5)))
        return LeNetMaps(c1, s2, c3, s4, c5, f6, self.out(self.dropout(f6)))

    def forward(self, ink: Tensor) -> Tensor:
        """(B, 1, 32, 32) -> logits (B, 10)."""
        return self.maps(ink).logits


def enlarge_ink(grid: np.ndarray) -> np.ndarray:
    """(8, 8) ink from 0 to 1 -> (32, 32), enlarged by linear interpolation, with an empty margin of two pixels."""
    large = cv2.resize(grid.astype(np.float32), (SIDE - 4, SIDE - 4), interpolation=cv2.INTER_LINEAR)
    return np.pad(large, 2)


def digit_grid(image: np.ndarray) -> np.ndarray:
    """An image of one digit, (H, W, 3) or (H, W) uint8, dark on light or light on dark -> (8, 8) ink from 0 to 1.

    The digit is cut out, centred and scaled to the full height, as in the training set. Raises ValueError if there is
    no ink.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image
    grey = grey.astype(np.float32)
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    ink = np.abs(grey - np.median(border))
    if ink.max() < 255 * MIN_CONTRAST:
        raise ValueError("There is no digit in this picture: it is all of one grey.")
    ink /= ink.max()
    if ink.shape == (GRID, GRID):
        return ink
    rows, columns = np.flatnonzero((ink > 0.25).any(1)), np.flatnonzero((ink > 0.25).any(0))
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = cut.shape
    side = max(height, width)
    square = np.zeros((side, side), np.float32)
    y, x = (side - height) // 2, (side - width) // 2
    square[y : y + height, x : x + width] = cut
    return np.clip(cv2.resize(square, (GRID, GRID), interpolation=cv2.INTER_AREA), 0, 1)


class DigitReader:
    """The trained network, with its preprocessing."""

    def __init__(self, network: LeNet5) -> None:
        self.network = network.eval()

    @torch.inference_mode()
    def read(self, image: np.ndarray) -> Digit:
        """The digit in an image, as ``digit_grid`` takes it. Raises ValueError if there is no ink."""
        maps = self.network.maps(torch.from_numpy(enlarge_ink(digit_grid(image)))[None, None])
        probabilities = maps.logits[0].softmax(0).numpy()
        return Digit(int(probabilities.argmax()), probabilities, maps)


def load_digits(weights: Path = WEIGHTS) -> DigitReader:
    """The shipped LeNet-5."""
    tensors, _ = load_checkpoint(weights / "digits-lenet5")
    network = LeNet5()
    network.load_state_dict(tensors, strict=True)
    return DigitReader(network)
