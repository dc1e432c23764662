"""Fit the readings of a taught recogniser: ridge regressions, in closed form.

Each clip is described in three ways: by the state of the memory cell (movement and its order), by the mean layout of
its frames, and by their mean appearance. Which of them tells the labels apart depends on the labels: strokes filmed
alike differ in movement, sports differ in appearance. So a few mixtures of the three are tried, and the one with the
most right answers on left-out clips is taken; a kernel ridge regression has these answers in closed form.

The linear algebra is torch's: that of numpy would start threads of its own beside those of torch, and wait for them.

Shapes: N clips, T steps, A labels, F numbers of one description, H = K * P states.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.polynomial import legendre
from torch import Tensor

from pipeline.models.taught import DIRECTIONS, GAIN, ORDERS, TaughtNetwork
from pipeline.teaching.examples import Example

RIDGE = 0.1  # of kernels whose mean diagonal is 1
FLOOR = 0.05  # of the mean standard deviation, is added to each: nothing that never varies decides
# Shares of movement, layout and appearance; the cell always takes part. The first ones win where several answer equally
# well.
MIXTURES = (
    (1.0, 0.0, 0.0),
    (0.5, 0.5, 0.0),
    (0.1, 0.9, 0.0),
    (0.75, 0.25, 0.0),
    (0.25, 0.75, 0.0),
    (0.5, 0.0, 0.5),
    (0.25, 0.25, 0.5),
    (0.1, 0.0, 0.9),
)


@dataclass(frozen=True)
class Description:
    """One way to describe the clips: ``rows`` (N, F) of them, and the affine map that made these numbers comparable
    with others: (rows - centre) @ scale.T, ``scale`` (F', F) or (F,) where each number has its own factor."""

    rows: Tensor
    centre: Tensor
    scale: Tensor

    @property
    def scaled(self) -> Tensor:
        centred = self.rows - self.centre
        return centred * self.scale if self.scale.ndim == 1 else centred @ self.scale.T

    def kernel(self) -> Tensor:
        """(N, N), with a mean diagonal of 1."""
        scaled = self.scaled
        kernel = scaled @ scaled.T
        return kernel / kernel.diagonal().mean().clamp(min=1e-12)

    def weights(self, dual: Tensor) -> tuple[Tensor, Tensor]:
        """The regression with these dual coefficients (N, A) as weights (A, F) of the rows, and what they give for the
        centre (A,)."""
        scaled = self.scaled
        size = (scaled.square().sum() / len(scaled)).clamp(min=1e-12)
        primal = dual.T @ scaled / size
        primal = primal * self.scale if self.scale.ndim == 1 else primal @ self.scale
        return primal, primal @ self.centre


def standardised(rows: Tensor) -> Description:
    """Each number divided by its standard deviation over the clips."""
    std = rows.std(0, correction=0)
    return Description(rows, rows.mean(0), 1 / (std + FLOOR * std.mean() + 1e-9))


def fit(examples: Sequence[Example], labels: Sequence[str]) -> tuple[TaughtNetwork, bool]:
    """The network that tells these labels apart, and whether it reads movement: only if each has a clip that moves."""
    network = TaughtNetwork(len(labels))
    moving = [each for each in examples if each.moves]
    fit_stills(network, examples, labels)
    moves = {each.label for each in moving} == set(labels)
    if moves:
        set_directions(network, moving)
        fit_clips(network, moving, labels)
    return network, moves


def fit_stills(network: TaughtNetwork, examples: Sequence[Example], labels: Sequence[str]) -> None:
    """Set the reading of photos: of the mean appearance alone."""
    seen = standardised(torch.stack([mean_of(each.appearance) for each in examples]))
    targets, penalty = regression_targets(examples, labels)
    dual = torch.linalg.solve(seen.kernel() + penalty.diag(), targets)
    weights, offset = seen.weights(dual)
    network.image_opinion.weight.copy_(weights)
    network.image_opinion.bias.copy_(1 / len(labels) - offset)


def fit_clips(network: TaughtNetwork, moving: Sequence[Example], labels: Sequence[str]) -> None:
    """Set the readings of clips, by the best mixture of the three descriptions."""
    states = torch.stack([state_of(network, each) for each in moving])
    layout = standardised(torch.stack([mean_of(each.layout) for each in moving]))
    appearance = standardised(torch.stack([mean_of(each.appearance) for each in moving]))
    parts = (ordered(states), layout, appearance)
    kernels = [part.kernel() for part in parts]
    targets, penalty = regression_targets(moving, labels)
    mixture = best_mixture(kernels, targets, penalty)
    dual = torch.linalg.solve(mixed(kernels, mixture) + penalty.diag(), targets)
    bias = torch.full((len(labels),), 1 / len(labels), dtype=torch.float64)
    for share, part, tensor in zip(
        mixture, parts, (network.readout.weight, network.layout.weight, network.appearance.weight), strict=True
    ):
        weights, offset = part.weights(share * dual)
        tensor.copy_(weights)
        bias -= offset
    network.readout.bias.copy_(bias)


def mixed(kernels: Sequence[Tensor], mixture: Sequence[float]) -> Tensor:
    return torch.stack([share * kernel for share, kernel in zip(mixture, kernels, strict=True)]).sum(0)


def best_mixture(kernels: Sequence[Tensor], targets: Tensor, penalty: Tensor) -> tuple[float, ...]:
    """The mixture with the most right answers on clips that are left out one by one; of equals that with the smallest
    squared error. Left-out answers of a ridge regression: y - a / diag(G), G the inverse of the regularised kernel and
    a = G y (Cawley and Talbot 2007)."""
    scores = []
    for mixture in MIXTURES:
        inverse = torch.linalg.inv(
            mixed(kernels, mixture) + penalty.diag() + 1 / len(targets)
        )  # 1 / N: an intercept of its own
        left_out = targets - inverse @ targets / inverse.diagonal()[:, None]
        right = float((left_out.argmax(1) == targets.argmax(1)).double().mean())
        scores.append((right, -float((left_out - targets).square().mean())))
    return MIXTURES[max(range(len(scores)), key=scores.__getitem__)]


def regression_targets(examples: Sequence[Example], labels: Sequence[str]) -> tuple[Tensor, Tensor]:
    """One-hot labels less their mean (N, A), and the penalty of each clip (N,): a label counts as much as another,
    however many clips it has."""
    column = torch.tensor([labels.index(each.label) for each in examples])
    count = column.bincount(minlength=len(labels))[column].double()
    return torch.eye(len(labels), dtype=torch.float64)[column] - 1 / len(labels), RIDGE * count * len(labels) / len(
        column
    )


# ── The memory cell's state ──────────────────────────────────────────────────────────────────────────────────────


def set_directions(network: TaughtNetwork, moving: Sequence[Example]) -> None:
    """Set the principal directions of the movement features of all frames. The square root evens them out: they are
    long-tailed (Arandjelović and Zisserman 2012)."""
    frames = torch.cat([wide(each.motion) for each in moving]).clamp(min=0).sqrt()
    mean, std = frames.mean(0), frames.std(0, correction=0)
    std = std + FLOOR * std.mean() + 1e-6
    scaled = (frames - mean) / std
    variance, directions = torch.linalg.eigh(scaled.T @ scaled / len(scaled))
    directions = directions.flip(1)[:, :DIRECTIONS]
    largest = directions.gather(0, directions.abs().argmax(0, keepdim=True))  # decides the sign
    network.mean.copy_(mean)
    network.std.copy_(std)
    network.basis.copy_(directions * largest.sign() / variance[-1].clamp(min=1e-9).sqrt())


def state_of(network: TaughtNetwork, example: Example) -> Tensor:
    """The cell's state after a clip, (H,): what ``scan`` gives, as one product for all steps."""
    directions = (GAIN * network.cell_inputs(wide(example.motion).float())[:, :-1]).tanh().double()
    return (memory_weights(len(directions)) @ directions).flatten()


@cache
def memory_weights(count: int) -> Tensor:
    """How much each of ``count`` frames weighs in the cell's memory of each order, (K, T); each row sums to 1."""
    rows = torch.zeros(ORDERS, count, dtype=torch.float64)
    for order in range(1, ORDERS + 1):
        for step in range(count):
            gate = step / (step + order)
            rows[order - 1] *= gate
            rows[order - 1, step] = 1 - gate
    return rows


def ordered(states: Tensor) -> Description:
    """States (N, H) as mean, trend and bend of each direction, each of these three with the same variance."""
    mixing = torch.from_numpy(trend_matrix())
    centred = (states - states.mean(0)).unflatten(1, (ORDERS, DIRECTIONS))
    size = (mixing @ centred).square().mean((0, 2)).sqrt()
    shares = (mixing / (size[:, None] + FLOOR * size.mean() + 1e-9)).contiguous()
    scale = torch.kron(shares, torch.eye(DIRECTIONS, dtype=torch.float64))
    return Description(states, states.mean(0), scale)


def trend_matrix() -> np.ndarray:
    """From means weighted by k t^(k - 1) to the coefficients of Legendre polynomials of degree 0 to K - 1, (K, K)."""
    rows = np.zeros((ORDERS, ORDERS))
    for degree in range(ORDERS):
        power, total = np.array([1.0]), np.zeros(ORDERS)
        for coefficient in legendre.leg2poly([0] * degree + [1]):
            total[: len(power)] += coefficient * power
            power = np.convolve(power, [-1.0, 2.0])  # polynomials of 2 t - 1, for t in 0..1
        rows[degree] = math.sqrt(2 * degree + 1) * total / np.arange(1, ORDERS + 1)
    return rows


def mean_of(rows: np.ndarray | None) -> Tensor:
    return wide(rows).mean(0)


def wide(rows: np.ndarray | None) -> Tensor:
    assert rows is not None, "an example that moves has its motion and layout"
    return torch.from_numpy(np.ascontiguousarray(rows)).double()
