"""Many-to-one: the features of a clip's frames, in order -> a label, with a prediction after every frame.

The network is small. The features of each frame (appearance and motion) become x_t, one recurrent cell reads the x_t in
order, and after *every* frame its state and the evidence so far give a probability for each label. Training supervises
every frame, not only the last, so each ActionStep is a prediction of its own.

Shapes: B clips, T time steps, D features of one image, P size of their projection, H hidden size, L labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.models.checkpoint import WEIGHTS, Card, load_checkpoint
from pipeline.models.encoder import FrameFeatures
from pipeline.models.recurrent import CELLS, State

FEATURE_DROPOUT, DROPOUT = 0.85, 0.2  # in training only
MOTION_AND_STATE_WEIGHT = 0.5  # weight of the motion and state log-probabilities; appearance has weight 1


@dataclass(frozen=True)
class ActionStep:
    """The prediction after one more frame.

    ``probabilities`` is (L,) float32, calibrated, summing to 1; ``hidden`` is the state h_t (H,) in -1..1.
    """

    index: int
    time: float  # seconds
    probabilities: np.ndarray
    hidden: np.ndarray


class ActionState(NamedTuple):
    """What the recogniser carries from frame to frame; its size does not grow."""

    cell: State
    log_probs: Tensor  # (1, 2, L): the sum over frames, for appearance and for motion
    counts: Tensor  # (1, 2): how many frames are in each sum


class ActionNetwork(nn.Module):
    """Features -> x_t -> cell -> logits, at every step. The logits are a weighted sum of three log-probabilities.

    Two linear classifiers, trained with the encoder, give the *evidence* of one frame by itself: the log-probabilities
    of the labels from its appearance and from its motion. x_t is that evidence, whether motion is known, and a small
    projection of all features (standardised with the training set's mean and deviation).

    The prediction after frame t is a logarithmic opinion pool (Hinton 2002): the mean appearance evidence, plus half of
    the mean motion evidence and half of the log-probabilities read from the cell's state. The state knows the order of
    frames. The mean is robust. Motion was learned from few kinds of clips, so a larger weight misleads on other clips
    (weights/README.md).
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

    def frame_log_probs(self, appearance: Tensor, motion: Tensor, has_motion: Tensor) -> Tensor:
        """The evidence of single frames: (..., D), (..., D), (...) bool -> (..., 2, L); 0 where motion is unknown."""
        by_appearance = self.frame_evidence(appearance).log_softmax(-1)
        by_motion = self.motion_evidence(motion).log_softmax(-1) * has_motion.unsqueeze(-1)
        return torch.stack([by_appearance, by_motion], -2)

    def cell_inputs(self, appearance: Tensor, motion: Tensor, has_motion: Tensor, log_probs: Tensor) -> Tensor:
        """x_t from features (..., D), (..., D), (...) bool and evidence (..., 2, L) -> (..., 2 L + 1 + P)."""
        known = has_motion.unsqueeze(-1).to(appearance.dtype)
        # Log-probabilities from -8 to 0 become -1 to 1, where a cell's tanh and sigmoids can tell them apart.
        by_appearance, by_motion = (log_probs / 4 + 1).unbind(-2)
        scaled = (torch.cat([appearance, motion], -1) - self.mean) / self.std
        scaled_appearance, scaled_motion = scaled.chunk(2, -1)
        features = torch.cat([scaled_appearance, scaled_motion * known], -1)
        projected = torch.relu(self.project(self.feature_dropout(features)))
        return torch.cat([self.dropout(by_appearance), self.dropout(by_motion * known), known, projected], -1)

    def forward(self, appearance: Tensor, motion: Tensor, has_motion: Tensor) -> Tensor:
        """(B, T, D), (B, T, D), (B, T) bool -> logits after every frame, (B, T, L)."""
        log_probs = self.frame_log_probs(appearance, motion, has_motion)
        hidden, _ = self.cell.scan(self.cell_inputs(appearance, motion, has_motion, log_probs))
        counts = torch.stack([torch.ones_like(has_motion), has_motion], -1).cumsum(1)  # (B, T, 2)
        return self.combine_logits(hidden, log_probs.cumsum(1), counts)

    def combine_logits(self, hidden: Tensor, log_probs: Tensor, counts: Tensor) -> Tensor:
        """State (..., H), summed evidence (..., 2, L), frames in each sum (..., 2) -> logits (..., L)."""
        appearance, motion = (log_probs / counts.clamp(min=1).unsqueeze(-1)).unbind(-2)
        return appearance + MOTION_AND_STATE_WEIGHT * (motion + self.readout(hidden).log_softmax(-1))


class ActionModel:
    """A trained network with its card: labels, temperature, and the confidence threshold of "not sure"."""

    def __init__(self, network: ActionNetwork, card: Card) -> None:
        self.network = network.eval()
        self.labels: list[str] = card["labels"]
        self.temperature: float = card["temperature"]
        self.threshold: float = card["threshold"]

    def initial_state(self) -> ActionState:
        """The state before the first frame."""
        count = len(self.labels)
        return ActionState(self.network.cell.initial_state(), torch.zeros(1, 2, count), torch.zeros(1, 2))

    @torch.inference_mode()
    def step(self, frame: FrameFeatures, state: ActionState) -> tuple[ActionStep, ActionState]:
        """Read one frame. The cost does not depend on how many frames were read before."""
        network, features = self.network, self._tensors([frame])
        log_probs = network.frame_log_probs(*features)
        cell = network.cell.step(network.cell_inputs(*features, log_probs), state.cell)
        counts = state.counts + torch.tensor([[1, 0]])
        state = ActionState(cell, state.log_probs + log_probs, counts)
        logits = network.combine_logits(cell.h, state.log_probs, counts)[0] / self.temperature
        return ActionStep(frame.index, frame.time, logits.softmax(0).numpy(), cell.h[0].numpy().copy()), state

    def predict(self, features: Iterable[FrameFeatures]) -> Iterator[ActionStep]:
        """One ActionStep after each frame, as the frames come."""
        state = self.initial_state()
        for frame in features:
            step, state = self.step(frame, state)
            yield step

    def top(self, step: ActionStep, count: int) -> list[tuple[str, float]]:
        """The likeliest labels after a step with their probabilities, the likeliest first."""
        order = np.argsort(-step.probabilities, kind="stable")[:count]
        return [(self.labels[k], float(step.probabilities[k])) for k in order]

    @torch.inference_mode()
    def cell_inputs(self, features: Sequence[FrameFeatures]) -> Tensor:
        """x_t of every frame, (T, 2 L + 1 + P)."""
        tensors = self._tensors(features)
        return self.network.cell_inputs(*tensors, self.network.frame_log_probs(*tensors))

    @torch.inference_mode()
    def per_frame_probabilities(self, features: Sequence[FrameFeatures]) -> np.ndarray:
        """Label probabilities from each frame's appearance alone, without recurrence, (T, L)."""
        return self.network.frame_evidence(self._tensors(features)[0]).softmax(1).numpy()

    @staticmethod
    def _tensors(features: Sequence[FrameFeatures]) -> tuple[Tensor, Tensor, Tensor]:
        """Appearance (T, D), motion (T, D) of zeros, and that it is unknown (T,): the network was trained on another
        kind of motion than FrameFeatures has."""
        appearance = torch.from_numpy(np.stack([frame.appearance for frame in features]))
        return appearance, torch.zeros_like(appearance), torch.zeros(len(features), dtype=torch.bool)


def load_action(cell: str = "lstm", weights: Path = WEIGHTS) -> ActionModel:
    """The shipped recogniser with one of CELLS. Raises KeyError for another name, CheckpointError for a missing or
    damaged checkpoint."""
    if cell not in CELLS:
        raise KeyError(f"No cell is called {cell!r}; there are {', '.join(CELLS)}.")
    tensors, card = load_checkpoint(weights / f"action-{cell}")
    network = ActionNetwork(cell, card["features"], card["projected"], card["hidden"], len(card["labels"]))
    network.load_state_dict(tensors, strict=True)
    return ActionModel(network, card)
