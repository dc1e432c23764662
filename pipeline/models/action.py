"""Many-to-one: the features of a clip's frames, in order -> a label, with a prediction after every frame.

Two networks give label probabilities of their own, called *opinions* here: an image CNN of what is there, a video CNN
of what moves. One recurrent cell reads both opinions and the features of both, in order. A third opinion is read from
its state after *every* frame. Training supervises every frame, not only the last, so each ActionStep is a prediction of
its own.

Shapes: B clips, T time steps, D = 1,280 features of an image, E = 480 features of motion, I labels that the image
opinion knows, L labels, P size of a projection, H hidden size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.models import efficientnet_lite, movinet
from pipeline.models.checkpoint import WEIGHTS, Card, check_labels, load_checkpoint
from pipeline.models.encoder import FrameFeatures
from pipeline.models.recurrent import CELLS, State

FEATURE_DROPOUT, DROPOUT = 0.85, 0.2  # in training only
LEAST = 1e-3  # probability below which an opinion does not tell labels apart
MOVING_WEIGHTS, STILL_WEIGHTS = (0.6, 1.0, 0.3), (1.0, 1.0, 0.1)  # of the image, motion and state opinions
UNCOVERED = -4.0  # log-probability of a label for which an opinion has no word


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
    image_log_probs: Tensor  # (1, I): the sum over all frames
    frame_count: Tensor  # (): how many frames are in the sum


class Opinions(NamedTuple):
    """``image`` (..., I) log-probabilities of single frames or their mean; ``motion`` (..., L) log-probabilities of the
    clip so far, zero where ``has_motion`` (...) bool is false."""

    image: Tensor
    motion: Tensor
    has_motion: Tensor


class ActionNetwork(nn.Module):
    """Features and opinions -> x_t -> cell -> logits, at every step.

    The prediction after frame t is a logarithmic opinion pool (Hinton 2002): a weighted sum of the log-probabilities of
    three classifiers. They read the image (what is there), the motion, and the cell's state. The image opinion is the
    mean over the frames so far. It has I labels: ``spread`` (I, L) is 1 where a label is the same as an image label or
    finer. The motion opinion is the video encoder's, of the clip so far. Where nothing moves (a photo, a folder), a
    constant stands for the motion opinion: it favours the labels that the image opinion has by name. The weights are
    constants: weights that were read from the state were less accurate on clips from other sources (weights/README.md).
    """

    mean: Tensor
    std: Tensor
    spread: Tensor
    still: Tensor

    def __init__(self, cell: str, image_labels: int, labels: int, projected: int, hidden: int) -> None:
        super().__init__()
        appearance, motion = efficientnet_lite.FEATURE_SIZE, movinet.FEATURE_SIZE
        self.register_buffer("mean", torch.zeros(appearance + motion))
        self.register_buffer("std", torch.ones(appearance + motion))
        self.register_buffer("spread", torch.zeros(image_labels, labels))
        self.register_buffer("still", torch.full((labels,), UNCOVERED))
        self.image_opinion = nn.Linear(appearance, image_labels)
        self.project = nn.Linear(appearance + motion, projected)
        self.project_opinion = nn.Linear(labels, projected)
        self.cell = CELLS[cell](image_labels + 2 * projected + 1, hidden)
        self.readout = nn.Linear(hidden, labels)
        self.feature_dropout, self.dropout = nn.Dropout(FEATURE_DROPOUT), nn.Dropout(DROPOUT)

    def set_labels(self, by_name: Sequence[int], right: Sequence[Sequence[int]]) -> None:
        """Set the constants that follow from the labels: the columns of those that the image opinion knows by name, and
        of each image label the columns of the labels that are the same or finer."""
        for k, columns in enumerate(right):
            self.spread[k, list(columns)] = 1
        self.still[list(by_name)] = 0

    def opinions(self, appearance: Tensor, motion_logits: Tensor, has_motion: Tensor) -> Opinions:
        """Of single frames: appearance (..., D), logits of the clip so far (..., L), (...) bool."""
        motion = motion_logits.log_softmax(-1) * has_motion.unsqueeze(-1)
        return Opinions(self.image_opinion(appearance).log_softmax(-1), motion, has_motion)

    def cell_inputs(self, appearance: Tensor, motion: Tensor, opinions: Opinions) -> Tensor:
        """x_t from features (..., D), (..., E) and the opinions -> (..., I + 2 P + 1)."""
        known = opinions.has_motion.unsqueeze(-1).to(appearance.dtype)
        # Log-probabilities from -8 to 0 become -1 to 1, where a cell's tanh and sigmoids can tell them apart.
        by_image, by_motion = opinions.image / 4 + 1, (opinions.motion / 4 + 1) * known
        scaled = (torch.cat([appearance, motion], -1) - self.mean) / self.std
        scaled = torch.cat([scaled[..., : appearance.shape[-1]], scaled[..., appearance.shape[-1] :] * known], -1)
        projected = torch.relu(self.project(self.feature_dropout(scaled)))
        opinion = torch.relu(self.project_opinion(self.dropout(by_motion)))
        return torch.cat([self.dropout(by_image), opinion, known, projected], -1)

    def forward(self, appearance: Tensor, motion: Tensor, motion_logits: Tensor, has_motion: Tensor) -> Tensor:
        """(B, T, D), (B, T, E), (B, T, L), (B, T) bool -> logits after every frame, (B, T, L)."""
        opinions = self.opinions(appearance, motion_logits, has_motion)
        hidden, _ = self.cell.scan(self.cell_inputs(appearance, motion, opinions))
        counts = torch.arange(1, appearance.shape[1] + 1, device=appearance.device)
        return self.pool(hidden, opinions._replace(image=opinions.image.cumsum(1) / counts[:, None]))

    def pool(self, hidden: Tensor, opinions: Opinions) -> Tensor:
        """State (..., H) and the opinions of the clip so far -> logits (..., L)."""
        has_motion = opinions.has_motion.unsqueeze(-1)
        covered = (opinions.image.exp() @ self.spread).clamp(min=LEAST, max=1).log()
        image = torch.where(self.spread.any(0), covered, UNCOVERED)
        motion = torch.where(has_motion, opinions.motion.clamp(min=math.log(LEAST)), self.still)
        state = self.readout(hidden).log_softmax(-1).clamp(min=math.log(LEAST))
        weights = torch.where(has_motion, torch.tensor(MOVING_WEIGHTS), torch.tensor(STILL_WEIGHTS))
        by_image, by_motion, by_state = weights.split(1, -1)
        return by_image * image + by_motion * motion + by_state * state


class ActionModel:
    """A trained network with its card: labels, temperature, and the confidence threshold of "not sure"."""

    def __init__(self, network: ActionNetwork, card: Card) -> None:
        self.network = network.eval()
        self.labels: list[str] = card["labels"]
        self.finer: dict[str, list[str]] = card["finer"]
        self.temperatures: list[float] = card["temperatures"]  # of stills, of videos
        self.threshold: float = card["threshold"]
        self.image_labels: list[str] = card["image_labels"]
        self._image_columns = [self.labels.index(label) for label in self.image_labels]

    def initial_state(self) -> ActionState:
        """The state before the first frame."""
        return ActionState(self.network.cell.initial_state(), torch.zeros(1, len(self._image_columns)), torch.zeros(()))

    @torch.inference_mode()
    def step(self, frame: FrameFeatures, state: ActionState) -> tuple[ActionStep, ActionState]:
        """Read one frame. The cost does not depend on how many frames were read before."""
        network = self.network
        appearance, motion, opinions = self._read([frame])
        cell = network.cell.step(network.cell_inputs(appearance, motion, opinions), state.cell)
        state = ActionState(cell, state.image_log_probs + opinions.image, state.frame_count + 1)
        so_far = opinions._replace(image=state.image_log_probs / state.frame_count)
        logits = network.pool(cell.h, so_far)[0] / self.temperatures[frame.motion is not None]
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
        """x_t of every frame, (T, I + 2 P + 1)."""
        return self.network.cell_inputs(*self._read(features))

    @torch.inference_mode()
    def per_frame_probabilities(self, features: Sequence[FrameFeatures]) -> np.ndarray:
        """Label probabilities from the image of each frame alone, without motion and recurrence, (T, L). Labels that
        the image opinion does not know have 0."""
        opinion = self.network.image_opinion(torch.from_numpy(np.stack([frame.appearance for frame in features])))
        probabilities = np.zeros((len(features), len(self.labels)), np.float32)
        probabilities[:, self._image_columns] = opinion.softmax(-1).numpy()
        return probabilities

    def image_label(self, label: str) -> str | None:
        """The label of the image opinion that says this label or, less precisely, covers it; None if it has none."""
        if label in self.image_labels:
            return label
        return next((name for name in self.image_labels if label in self.finer.get(name, ())), None)

    def _read(self, features: Sequence[FrameFeatures]) -> tuple[Tensor, Tensor, Opinions]:
        """Appearance (T, D), motion (T, E; zeros where unknown) and the opinions of single frames."""
        appearance = torch.from_numpy(np.stack([frame.appearance for frame in features]))
        motion = torch.zeros(len(features), movinet.FEATURE_SIZE)
        logits = torch.zeros(len(features), len(self.labels))
        for k, frame in enumerate(features):
            if frame.motion is not None:
                motion[k], logits[k] = torch.from_numpy(frame.motion.features), torch.from_numpy(frame.motion.logits)
        has_motion = torch.tensor([frame.motion is not None for frame in features])
        return appearance, motion, self.network.opinions(appearance, logits, has_motion)


def load_action(cell: str = "lstm", weights: Path = WEIGHTS) -> ActionModel:
    """The shipped recogniser with one of CELLS. Raises KeyError for another name, CheckpointError for a missing or
    damaged checkpoint, or one whose labels do not fit."""
    if cell not in CELLS:
        raise KeyError(f"No cell is called {cell!r}; there are {', '.join(CELLS)}.")
    tensors, card = load_checkpoint(weights / f"action-{cell}")
    check_labels(f"action-{cell}", card, len(tensors["readout.bias"]))
    sizes = len(card["image_labels"]), len(card["labels"]), card["projected"], card["hidden"]
    network = ActionNetwork(cell, *sizes)
    network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, strict=True)
    return ActionModel(network, card)
