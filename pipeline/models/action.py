"""Many-to-one: features of a clip's frames, in order -> a label, and how it came about, frame by frame.

The network is small: each frame's features (what is there, and what moves) become x_t, one recurrent cell reads the
x_t in order, and after *every* frame its state and the evidence so far give a probability for each label. It was
trained to answer at every frame, not only at the last, so each ActionStep stands by itself.

Shapes: B clips, T time steps, D features of one picture, P size of their projection, H hidden size, L labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.models.checkpoint import WEIGHTS, Card, load_checkpoint
from pipeline.models.encoder import FrameFeatures
from pipeline.models.recurrent import CELLS, State

FEATURE_DROPOUT, DROPOUT = 0.85, 0.2  # in training only
MOTION_AND_STATE_WEIGHT = 0.5  # how much what moves and what the state says count beside what is there


@dataclass(frozen=True)
class ActionStep:
    """What the network says after one more frame.

    ``probabilities`` is (L,) float32, calibrated, summing to 1; ``hidden`` is the state h_t (H,) in -1..1.
    """

    index: int
    time: float  # seconds
    probabilities: np.ndarray
    hidden: np.ndarray


class ActionNetwork(nn.Module):
    """features -> x_t -> cell -> logits, at every step; two voices add up to the answer.

    The *evidence* is how likely each label is in what is there, and in what moves, of one frame by itself: two linear
    readings trained with the encoder. x_t is that evidence, whether motion is known, and a small projection of all
    features for what the evidence does not tell (standardised with the training set's moments).

    The answer after frame t is a logarithmic opinion pool (Hinton 2002): the mean evidence in what is there, plus half
    of that in what moves and half of what the cell's state says. The state knows the order, the mean is never far off,
    and motion, which was learned from few kinds of clips, misleads on others if it counts more (weights/README.md).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, cell: str, features: int, projected: int, hidden: int, labels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(2 * features))
        self.register_buffer("std", torch.ones(2 * features))
        self.frame_evidence = nn.Linear(features, labels)
        self.motion_evidence = nn.Linear(features, labels)
        self.project = nn.Linear(2 * features, projected)
        self.cell = CELLS[cell](2 * labels + 1 + projected, hidden)
        self.readout = nn.Linear(hidden, labels)
        self.feature_dropout, self.dropout = nn.Dropout(FEATURE_DROPOUT), nn.Dropout(DROPOUT)

    def frame_log_probs(self, frames: Tensor, motion: Tensor, has_motion: Tensor) -> Tensor:
        """(..., D), (..., D), (...) -> log-probabilities by what is there and what moves (0: unknown), (..., 2, L)."""
        appearance, motion = self.frame_evidence(frames).log_softmax(-1), self.motion_evidence(motion).log_softmax(-1)
        return torch.stack([appearance, motion * has_motion.unsqueeze(-1)], -2)

    def cell_inputs(self, frames: Tensor, motion: Tensor, has_motion: Tensor, frame_log_probs: Tensor) -> Tensor:
        """x_t: (..., D) what is there, (..., D) what moves, (...) whether that is known, their evidence (..., 2, L)
        -> (..., 2 L + 1 + P)."""
        has_motion = has_motion.unsqueeze(-1).to(frames.dtype)
        # Log-probabilities from -8 to 0 become -1 to 1, where a cell's tanh and sigmoids can tell them apart.
        appearance, motion = (frame_log_probs / 4 + 1).unbind(-2)
        appearance, motion = ((torch.cat([frames, motion], -1) - self.mean) / self.std).chunk(2, -1)
        rest = torch.relu(self.project(self.feature_dropout(torch.cat([appearance, motion * has_motion], -1))))
        return torch.cat([self.dropout(appearance), self.dropout(motion * has_motion), has_motion, rest], -1)

    def forward(self, frames: Tensor, motion: Tensor, has_motion: Tensor) -> Tensor:
        """(B, T, D), (B, T, D), (B, T) bool -> logits after every frame, (B, T, L)."""
        frame_log_probs = self.frame_log_probs(frames, motion, has_motion)
        hidden, _ = self.cell.scan(self.cell_inputs(frames, motion, has_motion, frame_log_probs))
        counts = torch.stack([torch.ones_like(has_motion), has_motion], -1).cumsum(1)  # (B, T, 2)
        return self.combine_logits(hidden, frame_log_probs.cumsum(1), counts)

    def combine_logits(self, hidden: Tensor, total: Tensor, counts: Tensor) -> Tensor:
        """State (..., H), summed evidence (..., 2, L) and how many frames gave it (..., 2) -> logits (..., L)."""
        mean = total / counts.clamp(min=1).unsqueeze(-1)
        appearance, motion = mean.unbind(-2)
        return appearance + MOTION_AND_STATE_WEIGHT * (motion + self.readout(hidden).log_softmax(-1))


class ActionModel:
    """A trained network with its card: labels, temperature and the threshold of "not sure"."""

    def __init__(self, network: ActionNetwork, card: Card) -> None:
        self.network = network.eval()
        self.labels: list[str] = card["labels"]
        self.temperature: float = card["temperature"]
        self.threshold: float = card["threshold"]

    @torch.inference_mode()
    def predict(self, features: Iterable[FrameFeatures]) -> Iterator[ActionStep]:
        """Read frames as they come; one ActionStep after each, at constant cost."""
        network = self.network
        state: State = network.cell.initial_state()
        total, counts = torch.zeros(1, 2, len(self.labels)), torch.zeros(1, 2)
        for frame in features:
            appearance = torch.from_numpy(frame.appearance)[None]
            motion = torch.zeros_like(appearance) if frame.motion is None else torch.from_numpy(frame.motion)[None]
            has_motion = torch.tensor([frame.motion is not None])
            frame_log_probs = network.frame_log_probs(appearance, motion, has_motion)
            state = network.cell.step(network.cell_inputs(appearance, motion, has_motion, frame_log_probs), state)
            total = total + frame_log_probs
            counts = counts + torch.tensor([[1, int(has_motion)]])
            logits = network.combine_logits(state.h, total, counts)[0] / self.temperature
            yield ActionStep(frame.index, frame.time, logits.softmax(0).numpy(), state.h[0].numpy().copy())

    @torch.inference_mode()
    def cell_inputs(self, features: Sequence[FrameFeatures]) -> Tensor:
        """x_t of every frame, (T, 2 L + 1 + P), as the cell reads it."""
        frames = torch.from_numpy(np.stack([frame.appearance for frame in features]))
        has_motion = torch.tensor([frame.motion is not None for frame in features])
        motion = torch.zeros_like(frames)
        for row, frame in zip(motion, features, strict=True):
            if frame.motion is not None:
                row.copy_(torch.from_numpy(frame.motion))
        return self.network.cell_inputs(
            frames, motion, has_motion, self.network.frame_log_probs(frames, motion, has_motion)
        )

    @torch.inference_mode()
    def per_frame_probabilities(self, features: Sequence[FrameFeatures]) -> np.ndarray:
        """Every frame by itself, as if it were the first: what the CNN alone says of each, (T, L) probabilities."""
        frames = torch.from_numpy(np.stack([frame.appearance for frame in features]))
        return self.network.frame_evidence(frames).softmax(1).numpy()


def load_action(cell: str, weights: Path = WEIGHTS) -> ActionModel:
    """The shipped recogniser with one of the CELLS. Raises KeyError for another name, CheckpointError for damage."""
    if cell not in CELLS:
        raise KeyError(f"No cell is called {cell!r}; there are {', '.join(CELLS)}.")
    tensors, card = load_checkpoint(weights / f"action-{cell}")
    network = ActionNetwork(cell, card["features"], card["projected"], card["hidden"], len(card["labels"]))
    network.load_state_dict(tensors, strict=True)
    return ActionModel(network, card)
