"""The reading of a clip: a recogniser's predictions after every frame, and the final prediction.

Shapes: T steps, L labels, H hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.analysis.change_points import changes, decided_step, top_labels
from pipeline.analysis.confidence import answer_text, is_confident
from pipeline.models.action import ActionModel, ActionStep
from pipeline.models.encoder import FrameFeatures


@dataclass(frozen=True)
class Prediction:
    """The prediction for a whole clip: its labels by falling probability, and whether the first one is the answer."""

    ranked: tuple[tuple[str, float], ...]  # every label with its probability
    is_confident: bool  # whether the first label reaches the confidence threshold
    decided_step: int | None  # the first step from which on the answer stands; None if the prediction is not confident

    @property
    def label(self) -> str:
        return self.ranked[0][0]

    @property
    def probability(self) -> float:
        return self.ranked[0][1]


@dataclass(frozen=True)
class ClipReading:
    """The predictions of one recogniser on one clip, T >= 1 steps."""

    labels: tuple[str, ...]
    threshold: float  # confidence threshold of "not sure"
    duration: float  # seconds
    steps: tuple[ActionStep, ...]

    @cached_property
    def probabilities(self) -> np.ndarray:
        """(T, L): after every frame."""
        return np.stack([step.probabilities for step in self.steps])

    @cached_property
    def hidden(self) -> np.ndarray:
        """(T, H): the hidden state after every frame."""
        return np.stack([step.hidden for step in self.steps])

    @property
    def times(self) -> list[float]:
        """Seconds, of every step."""
        return [step.time for step in self.steps]

    @cached_property
    def top_labels(self) -> list[str]:
        """The likeliest label after every frame."""
        return [self.labels[k] for k in top_labels(self.probabilities)]

    @cached_property
    def confident(self) -> list[bool]:
        """Whether the likeliest label reaches the threshold, after every frame."""
        return [is_confident(p, self.threshold) for p in self.probabilities.max(1)]

    @cached_property
    def answers(self) -> list[str]:
        """The answer in words after every frame; "not sure: label" where no label reaches the threshold."""
        best = zip(self.top_labels, self.probabilities.max(1), strict=True)
        return [answer_text(label, float(p), self.threshold) for label, p in best]

    @property
    def changes(self) -> list[int]:
        """The steps at which the likeliest label changes."""
        return changes(self.top_labels)

    @cached_property
    def prediction(self) -> Prediction:
        """The prediction after the last frame."""
        last = self.probabilities[-1]
        ranked = tuple((self.labels[k], float(last[k])) for k in np.argsort(-last, kind="stable"))
        confident = self.confident[-1]
        return Prediction(ranked, confident, decided_step(self.answers) if confident else None)


def read_features(model: ActionModel, features: Sequence[FrameFeatures], duration: float) -> ClipReading:
    """The reading of a clip's features; ``duration`` is the clip's, in seconds. Needs at least one frame."""
    steps = tuple(model.predict(features))
    return ClipReading(tuple(model.labels), model.threshold, duration, steps)
