"""Many-to-one: the features of a clip's frames, in order -> a label, with a prediction after every frame.

Two networks give label probabilities of their own, called *opinions* here: an image CNN of what is there, a video CNN
of what moves. One recurrent cell reads both opinions and the features of both, in order. A third opinion is read from
its state after *every* frame. Training supervises every frame, not only the last, so each ActionStep is a prediction of
its own.

Two more questions are asked of both encoders (*open-set recognition*): does anybody do anything, and does the clip
look like anything that was learned? So a prediction has two more labels than the actions: NO_ACTION and SOMETHING_ELSE.

Shapes: B clips, T time steps, D = 1,280 features of an image, E = 480 features of motion, I actions that the image
opinion knows, A actions, L = A + 2 labels, P size of a projection, H hidden size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.models import efficientnet_lite, movinet
from pipeline.models.checkpoint import WEIGHTS, Card, check_labels, load_checkpoint
from pipeline.models.encoder import FrameFeatures
from pipeline.models.recurrent import CELLS, State

FEATURE_DROPOUT, DROPOUT = 0.85, 0.2  # in training only
LEAST = 1e-3  # probability below which an opinion does not tell labels apart
MOVING_WEIGHTS, STILL_WEIGHTS = (0.4, 1.0, 0.3), (1.0, 1.0, 0.05)  # of the image, motion and state opinions
UNCOVERED = -4.0  # log-probability of a label for which an opinion has no word
QUESTION_HIDDEN = 128  # units that read whether somebody acts
NO_ACTION, SOMETHING_ELSE = "no action", "something else"  # the last two labels


@dataclass(frozen=True)
class ActionStep:
    """The prediction after one more frame.

    ``probabilities`` is (L,) float32, calibrated, summing to 1: of the actions, of NO_ACTION and of SOMETHING_ELSE.
    ``hidden`` is the state h_t (H,) in -1..1.
    """

    index: int
    time: float  # seconds
    probabilities: np.ndarray
    hidden: np.ndarray


class FrameEvidence(NamedTuple):
    """What single frames say, or the mean of several. ``image`` (..., I) log-probabilities; ``energy`` (..., 1) the
    logarithm of the sum of the exponentials of the image logits, high for what was learned (Liu et al. 2020); ``acts``
    (..., 2) logits that somebody acts, by image and by motion."""

    image: Tensor
    energy: Tensor
    acts: Tensor


class Opinions(NamedTuple):
    """``frames`` of single frames or their mean; ``motion`` (..., A) log-probabilities of the clip so far and
    ``motion_energy`` (..., 1) of their logits, zero where ``has_motion`` (...) bool is false."""

    frames: FrameEvidence
    motion: Tensor
    motion_energy: Tensor
    has_motion: Tensor


class ActionState(NamedTuple):
    """What the recogniser carries from frame to frame; its size does not grow."""

    cell: State
    sums: FrameEvidence  # over all frames
    frame_count: Tensor  # (): how many frames are in the sums


def question_network() -> nn.Sequential:
    """Features of an image (..., D) -> the logit that somebody acts (..., 1). One hidden layer: a linear reading took
    more photos of sports and of cooking for scenes without action (weights/README.md)."""
    return nn.Sequential(
        nn.Linear(efficientnet_lite.FEATURE_SIZE, QUESTION_HIDDEN),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(QUESTION_HIDDEN, 1),
    )


class ActionNetwork(nn.Module):
    """Features and opinions -> x_t -> cell -> logits, at every step.

    The prediction after frame t is a logarithmic opinion pool (Hinton 2002): a weighted sum of the log-probabilities of
    three classifiers. They read the image (what is there), the motion, and the cell's state. The image opinion is the
    mean over the frames so far. It has I labels: ``spread`` (I, A) is 1 where a label is the same as an image label, or
    a finer one that has no image label of its own. The motion opinion is the video encoder's, of the clip so far. Where
    nothing moves (a photo, a folder), a constant stands for it, which favours the labels that the image opinion has by
    name. The weights are constants: weights that were read from the state were less accurate on clips from other
    sources (weights/README.md).

    ``acts_join`` (2, 3) has the weights of the image and the motion logit of "somebody acts", and a bias: its first row
    is for stills, its second for clips. ``known`` (2, 4) has likewise the weights of the image energy, the motion
    energy and the highest log-probability, and a bias, of the logit that the clip shows something that was learned.
    """

    mean: Tensor
    std: Tensor
    spread: Tensor
    still: Tensor
    acts_join: Tensor
    known: Tensor

    def __init__(self, cell: str, image_labels: int, labels: int, projected: int, hidden: int) -> None:
        super().__init__()
        appearance, motion = efficientnet_lite.FEATURE_SIZE, movinet.FEATURE_SIZE
        self.register_buffer("mean", torch.zeros(appearance + motion))
        self.register_buffer("std", torch.ones(appearance + motion))
        self.register_buffer("spread", torch.zeros(image_labels, labels))
        self.register_buffer("still", torch.full((labels,), UNCOVERED))
        self.register_buffer("acts_join", torch.tensor([[1.0, 0, 0], [1, 1, 0]]))
        self.register_buffer("known", torch.tensor([[0.0, 0, 0, 9], [0, 0, 0, 9]]))
        self.image_opinion = nn.Linear(appearance, image_labels)
        self.acts_by_image, self.acts_by_motion = question_network(), nn.Linear(motion, 1)
        self.project = nn.Linear(appearance + motion, projected)
        self.project_opinion = nn.Linear(labels, projected)
        self.cell = CELLS[cell](image_labels + 2 * projected + 1, hidden)
        self.readout = nn.Linear(hidden, labels)
        self.feature_dropout, self.dropout = nn.Dropout(FEATURE_DROPOUT), nn.Dropout(DROPOUT)

    def set_labels(self, by_name: Sequence[int], right: Sequence[Sequence[int]]) -> None:
        """Set the constants that follow from the labels: the column of each image label, and of each the columns of the
        labels that are the same or finer. A label that the image opinion has by name has its own probability only."""
        for k, columns in enumerate(right):
            self.spread[k, sorted({*columns} - {*by_name} | {by_name[k]})] = 1
        self.still[list(by_name)] = 0

    def opinions(self, appearance: Tensor, motion: Tensor, motion_logits: Tensor, has_motion: Tensor) -> Opinions:
        """Of single frames: appearance (..., D), motion (..., E), logits of the clip so far (..., A), (...) bool."""
        moves = has_motion.unsqueeze(-1).to(appearance.dtype)
        logits = self.image_opinion(appearance)
        acts = torch.cat([self.acts_by_image(appearance), self.acts_by_motion(motion) * moves], -1)
        frames = FrameEvidence(logits.log_softmax(-1), logits.logsumexp(-1, keepdim=True), acts)
        energy = motion_logits.logsumexp(-1, keepdim=True) * moves
        return Opinions(frames, motion_logits.log_softmax(-1) * moves, energy, has_motion)

    def cell_inputs(self, appearance: Tensor, motion: Tensor, opinions: Opinions) -> Tensor:
        """x_t from features (..., D), (..., E) and the opinions -> (..., I + 2 P + 1)."""
        known = opinions.has_motion.unsqueeze(-1).to(appearance.dtype)
        # Log-probabilities from -8 to 0 become -1 to 1, where a cell's tanh and sigmoids can tell them apart.
        by_image, by_motion = opinions.frames.image / 4 + 1, (opinions.motion / 4 + 1) * known
        scaled = (torch.cat([appearance, motion], -1) - self.mean) / self.std
        scaled = torch.cat([scaled[..., : appearance.shape[-1]], scaled[..., appearance.shape[-1] :] * known], -1)
        projected = torch.relu(self.project(self.feature_dropout(scaled)))
        opinion = torch.relu(self.project_opinion(self.dropout(by_motion)))
        return torch.cat([self.dropout(by_image), opinion, known, projected], -1)

    def forward(
        self, appearance: Tensor, motion: Tensor, motion_logits: Tensor, has_motion: Tensor
    ) -> tuple[Tensor, Opinions]:
        """(B, T, D), (B, T, E), (B, T, A), (B, T) bool -> logits of the actions after every frame, (B, T, A), and the
        opinions so far."""
        opinions = self.opinions(appearance, motion, motion_logits, has_motion)
        hidden, _ = self.cell.scan(self.cell_inputs(appearance, motion, opinions))
        counts = torch.arange(1, appearance.shape[1] + 1, device=appearance.device)[:, None]
        so_far = opinions._replace(frames=FrameEvidence(*(each.cumsum(1) / counts for each in opinions.frames)))
        return self.pool(hidden, so_far), so_far

    def pool(self, hidden: Tensor, opinions: Opinions) -> Tensor:
        """State (..., H) and the opinions of the clip so far -> logits of the actions (..., A)."""
        has_motion = opinions.has_motion.unsqueeze(-1)
        covered = (opinions.frames.image.exp() @ self.spread).clamp(min=LEAST, max=1).log()
        image = torch.where(self.spread.any(0), covered, UNCOVERED)
        motion = torch.where(has_motion, opinions.motion.clamp(min=math.log(LEAST)), self.still)
        state = self.readout(hidden).log_softmax(-1).clamp(min=math.log(LEAST))
        weights = torch.where(has_motion, torch.tensor(MOVING_WEIGHTS), torch.tensor(STILL_WEIGHTS))
        by_image, by_motion, by_state = weights.split(1, -1)
        return by_image * image + by_motion * motion + by_state * state

    def open_set(self, logits: Tensor, opinions: Opinions) -> Tensor:
        """Calibrated logits of the actions (..., A) and the opinions of the clip so far -> log-probabilities of all
        labels (..., L). Actions share what NO_ACTION and SOMETHING_ELSE leave."""
        row = opinions.has_motion.long()
        log_probs = logits.log_softmax(-1)
        acts = weighted(opinions.frames.acts, self.acts_join[row])
        highest = log_probs.amax(-1, keepdim=True)
        known = weighted(torch.cat([opinions.frames.energy, opinions.motion_energy, highest], -1), self.known[row])
        somebody = F.logsigmoid(acts)
        return torch.cat(
            [somebody + F.logsigmoid(known) + log_probs, F.logsigmoid(-acts), somebody + F.logsigmoid(-known)], -1
        )


def weighted(values: Tensor, weights: Tensor) -> Tensor:
    """(..., K) and weights with a bias (..., K + 1) -> the sum, (..., 1)."""
    return (values * weights[..., :-1]).sum(-1, keepdim=True) + weights[..., -1:]


class ActionModel:
    """A trained network with its card: labels, temperature, and the confidence threshold of "not sure"."""

    def __init__(self, network: ActionNetwork, card: Card) -> None:
        self.network = network.eval()
        self.actions: list[str] = card["labels"]
        self.labels = [*self.actions, NO_ACTION, SOMETHING_ELSE]
        self.finer: dict[str, list[str]] = card["finer"]
        self.temperatures: list[float] = card["temperatures"]  # of stills, of videos
        self.threshold: float = card["threshold"]
        self.image_labels: list[str] = card["image_labels"]
        self._image_columns = [self.labels.index(label) for label in self.image_labels]

    def initial_state(self) -> ActionState:
        """The state before the first frame."""
        sums = FrameEvidence(torch.zeros(1, len(self.image_labels)), torch.zeros(1, 1), torch.zeros(1, 2))
        return ActionState(self.network.cell.initial_state(), sums, torch.zeros(()))

    @torch.inference_mode()
    def step(self, frame: FrameFeatures, state: ActionState) -> tuple[ActionStep, ActionState]:
        """Read one frame. The cost does not depend on how many frames were read before."""
        network = self.network
        appearance, motion, opinions = self.read([frame])
        cell = network.cell.step(network.cell_inputs(appearance, motion, opinions), state.cell)
        sums = FrameEvidence(*(a + b for a, b in zip(state.sums, opinions.frames, strict=True)))
        state = ActionState(cell, sums, state.frame_count + 1)
        so_far = opinions._replace(frames=FrameEvidence(*(each / state.frame_count for each in sums)))
        logits = network.pool(cell.h, so_far) / self.temperatures[frame.motion is not None]
        probabilities = network.open_set(logits, so_far)[0].exp().numpy()
        return ActionStep(frame.index, frame.time, probabilities, cell.h[0].numpy().copy()), state

    def predict(self, features: Iterable[FrameFeatures]) -> Iterator[ActionStep]:
        """One ActionStep after each frame, as the frames come."""
        state = self.initial_state()
        for frame in features:
            step, state = self.step(frame, state)
            yield step

    def top(self, step: ActionStep, count: int) -> list[tuple[str, float]]:
        """The likeliest labels after a step with their probabilities, the likeliest first, without SOMETHING_ELSE."""
        order = np.argsort(-step.probabilities[:-1], kind="stable")[:count]
        return [(self.labels[k], float(step.probabilities[k])) for k in order]

    @torch.inference_mode()
    def cell_inputs(self, features: Sequence[FrameFeatures]) -> Tensor:
        """x_t of every frame, (T, I + 2 P + 1)."""
        return self.network.cell_inputs(*self.read(features))

    @torch.inference_mode()
    def per_frame_probabilities(self, features: Sequence[FrameFeatures]) -> np.ndarray:
        """Label probabilities from the image of each frame alone, without motion and recurrence, (T, L). Actions that
        the image opinion does not know have 0."""
        appearance = torch.from_numpy(np.stack([frame.appearance for frame in features]))
        nothing = torch.zeros(len(features), movinet.FEATURE_SIZE), torch.zeros(len(features), len(self.actions))
        opinions = self.network.opinions(appearance, *nothing, torch.zeros(len(features), dtype=torch.bool))
        logits = torch.full((len(features), len(self.actions)), -math.inf)
        logits[:, self._image_columns] = opinions.frames.image
        return self.network.open_set(logits, opinions).exp().numpy()

    def image_label(self, label: str) -> str | None:
        """The label of the image opinion that says this label or, less precisely, covers it; None if it has none."""
        if label in self.image_labels:
            return label
        return next((name for name in self.image_labels if label in self.finer.get(name, ())), None)

    def read(self, features: Sequence[FrameFeatures]) -> tuple[Tensor, Tensor, Opinions]:
        """Appearance (T, D), motion (T, E; zeros where unknown) and the opinions of single frames."""
        appearance = torch.from_numpy(np.stack([frame.appearance for frame in features]))
        motion = torch.zeros(len(features), movinet.FEATURE_SIZE)
        logits = torch.zeros(len(features), len(self.actions))
        for k, frame in enumerate(features):
            if frame.motion is not None:
                motion[k], logits[k] = torch.from_numpy(frame.motion.features), torch.from_numpy(frame.motion.logits)
        has_motion = torch.tensor([frame.motion is not None for frame in features])
        return appearance, motion, self.network.opinions(appearance, motion, logits, has_motion)


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
