"""A recogniser of a person's own actions, learned from a few clips of each (pipeline/teaching) on frozen encoders.

Its recurrent cell is a GRU whose weights are not learned but set, so that its memory holds the *order* of what it saw.
Unit (k, p) reads p, one of P directions of the movement features, and forgets by the update gate z = n / (n + k), where
n is the number of frames before. So after n frames it holds the mean of its inputs, weighted by a polynomial of degree
k - 1 in time: all frames alike for k = 1, later ones more for k = 2 and 3. Sums of the three tell rising from falling,
and sitting down from standing up. The gate depends on n, which is one of the cell's inputs. This is the memory of
HiPPO-LegS (Gu et al. 2020) in the form of a GRU. With a handful of clips, weights that were learned were less accurate
(weights/README.md).

What is learned is linear: readings of the state, of the layout of the picture, and of its appearance.

Shapes: T steps, A labels, D = 1,280 features of an image, E = 480 features of motion, G = 504 numbers of the layout,
P directions, K orders of the memory, H = K * P.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.models import efficientnet_lite, movinet
from pipeline.models.action import SOMETHING_ELSE, ActionModel, ActionStep
from pipeline.models.encoder import FrameFeatures
from pipeline.models.recurrent import GRUCell, State

DIRECTIONS, ORDERS = 128, 3
GAIN = 0.5  # of the tanh: a direction is within -0.5..0.5 most of the time, where tanh is nearly straight
NEVER = 1e-9  # stands for n = 0 in the logarithm: the gate is 0, and nothing is remembered before the first frame
FAMILIAR_SLOPE = 20.0  # of the probability that a clip shows a taught action, by the overlap


class ClipSums(NamedTuple):
    """What is added up over the frames of a clip."""

    appearance: Tensor  # (D,)
    layout: Tensor  # (G,)
    frames: int


class TaughtState(NamedTuple):
    """What the recogniser carries from frame to frame; its size does not grow. ``background`` is the state of the
    shipped recogniser, if its labels are the background."""

    cell: State
    sums: ClipSums
    background: Any


class TaughtNetwork(nn.Module):
    """The set cell and the learned readings. ``image_opinion`` reads the appearance alone, of photos and of single
    frames; ``readout``, ``layout`` and ``appearance`` read clips together: their sum is the score of each label."""

    mean: Tensor
    std: Tensor
    basis: Tensor
    background: Tensor

    def __init__(self, labels: int, background_labels: int = 0) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(movinet.FEATURE_SIZE))
        self.register_buffer("std", torch.ones(movinet.FEATURE_SIZE))
        self.register_buffer("basis", torch.zeros(movinet.FEATURE_SIZE, DIRECTIONS))
        self.register_buffer("background", torch.zeros(labels, background_labels))
        self.cell = memory_cell()
        self.readout = nn.Linear(ORDERS * DIRECTIONS, labels)
        self.layout = nn.Linear(movinet.LAYOUT_SIZE, labels, bias=False)
        self.appearance = nn.Linear(efficientnet_lite.FEATURE_SIZE, labels, bias=False)
        self.image_opinion = nn.Linear(efficientnet_lite.FEATURE_SIZE, labels)
        self.requires_grad_(False)

    def cell_inputs(self, motion: Tensor, before: int = 0) -> Tensor:
        """x_t of frames in a row, (T, E) -> (T, P + 1); so many frames were read ``before`` the first of them."""
        directions = (motion.clamp(min=0).sqrt() - self.mean) / self.std @ self.basis
        counts = torch.arange(before, before + len(motion), dtype=motion.dtype).clamp(min=NEVER).log()
        return torch.cat([directions, counts[:, None]], 1)

    def score(self, hidden: Tensor, sums: ClipSums) -> Tensor:
        """The scores (A,) of a clip so far from its state (H,) and sums."""
        layout, appearance = self.layout(sums.layout / sums.frames), self.appearance(sums.appearance / sums.frames)
        return self.readout(hidden) + layout + appearance


def memory_cell() -> GRUCell:
    """The GRU whose update gate is n / (n + k): see above."""
    cell = GRUCell(DIRECTIONS + 1, ORDERS * DIRECTIONS).requires_grad_(False)
    for parameter in cell.parameters():
        parameter.zero_()
    _, update, candidate = cell.weight_ih.chunk(3)
    update[:, -1] = 1.0
    cell.bias_ih.chunk(3)[1].copy_(-torch.arange(1.0, ORDERS + 1).log().repeat_interleave(DIRECTIONS))
    candidate[:, :-1] = GAIN * torch.eye(DIRECTIONS).repeat(ORDERS, 1)
    return cell


class TaughtModel(ActionModel):
    """A taught recogniser with its card; it is used as a shipped one is. ``shipped`` is needed if its labels are the
    background: then the last label is SOMETHING_ELSE."""

    network: TaughtNetwork  # type: ignore[assignment]

    def __init__(self, network: TaughtNetwork, card: dict[str, Any], shipped: ActionModel | None = None) -> None:
        self.network = network.eval()
        self.card = card
        self.shipped = shipped if card["background"] else None
        self.actions: list[str] = card["labels"]
        self.labels = [*self.actions, *([SOMETHING_ELSE] if self.shipped else [])]
        self.finer: dict[str, list[str]] = {}
        self.temperatures: list[float] = card["temperatures"]  # of stills, of clips
        self.threshold: float = card["threshold"]
        self.image_labels: list[str] = self.actions

    def initial_state(self) -> TaughtState:  # type: ignore[override]
        sums = ClipSums(torch.zeros(efficientnet_lite.FEATURE_SIZE), torch.zeros(movinet.LAYOUT_SIZE), 0)
        return TaughtState(self.network.cell.initial_state(), sums, self.shipped and self.shipped.initial_state())

    @torch.inference_mode()
    def step(self, frame: FrameFeatures, state: TaughtState) -> tuple[ActionStep, TaughtState]:  # type: ignore[override]
        network, before = self.network, state.sums
        cell = network.cell.step(network.cell_inputs(motion_of([frame]), before.frames), state.cell)
        appearance = before.appearance + torch.from_numpy(frame.appearance)
        sums = ClipSums(appearance, before.layout + layout_of([frame])[0], before.frames + 1)
        if frame.motion is None or not self.card["moves"]:
            logits = network.image_opinion(sums.appearance / sums.frames) / self.temperatures[0]
        else:
            logits = network.score(cell.h[0], sums) / self.temperatures[1]
        probabilities = logits.softmax(-1).numpy()
        background = state.background
        if self.shipped is not None:
            seen, background = self.shipped.step(frame, background)
            probabilities = self.with_background(probabilities, seen.probabilities)
        step = ActionStep(frame.index, frame.time, probabilities, cell.h[0].numpy().copy())
        return step, TaughtState(cell, sums, background)

    def with_background(self, probabilities: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """Probabilities of the taught actions (A,) and of the shipped labels -> with SOMETHING_ELSE, (A + 1,)."""
        overlap = overlaps(self.network.background.numpy(), seen).max()
        known = 1 / (1 + math.exp(-FAMILIAR_SLOPE * (float(overlap) - self.card["familiar"])))
        return np.append(probabilities * known, 1 - known).astype(np.float32)

    def predict(self, features: Iterable[FrameFeatures]) -> Iterator[ActionStep]:
        state = self.initial_state()
        for frame in features:
            step, state = self.step(frame, state)
            yield step

    def top(self, step: ActionStep, count: int) -> list[tuple[str, float]]:
        order = np.argsort(-step.probabilities[: len(self.actions)], kind="stable")[:count]
        return [(self.labels[k], float(step.probabilities[k])) for k in order]

    @torch.inference_mode()
    def cell_inputs(self, features: Sequence[FrameFeatures]) -> Tensor:
        """x_t of every frame, (T, P + 1)."""
        return self.network.cell_inputs(motion_of(features))

    @torch.inference_mode()
    def per_frame_probabilities(self, features: Sequence[FrameFeatures]) -> np.ndarray:
        """Label probabilities from the image of each frame alone, (T, L)."""
        appearance = torch.from_numpy(np.stack([frame.appearance for frame in features]))
        rows = (self.network.image_opinion(appearance) / self.temperatures[0]).softmax(-1).numpy()
        return np.pad(rows, ((0, 0), (0, len(self.labels) - len(self.actions))))


def motion_of(features: Sequence[FrameFeatures]) -> Tensor:
    """(T, E); zeros where nothing moves."""
    nothing = np.zeros(movinet.FEATURE_SIZE, np.float32)
    return torch.from_numpy(np.stack([nothing if f.motion is None else f.motion.features for f in features]))


def layout_of(features: Sequence[FrameFeatures]) -> Tensor:
    """(T, G); zeros where nothing moves."""
    nothing = np.zeros(movinet.LAYOUT_SIZE, np.float32)
    return torch.from_numpy(np.stack([nothing if f.motion is None else f.motion.layout for f in features]))


def overlaps(each: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The Bhattacharyya coefficient of distributions (A, L) with one, (L,): 0 apart, 1 alike."""
    return np.sqrt(np.maximum(each, 0) * seen).sum(-1)
