"""The reading of a clip: a recogniser's predictions after every frame, and the final prediction.

Shapes: T steps, L labels, H hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.analysis.change_points import changes, decided_step
from pipeline.analysis.hedging import Answer, AnswerRule
from pipeline.models.action import ActionModel, ActionStep
from pipeline.models.encoder import FrameFeatures


@dataclass(frozen=True)
class Prediction:
    """The prediction for a whole clip: the answer, and the labels by falling probability."""

    answer: Answer
    ranked: tuple[tuple[str, float], ...]  # every label that can be said, with its probability
    decided_step: int | None  # the first step from which on the answer stands; None if the prediction is not confident

    @property
    def label(self) -> str:
        """What is said; the likeliest label if that is "not sure"."""
        return self.answer.label

    @property
    def probability(self) -> float:
        return self.answer.probability

    @property
    def is_confident(self) -> bool:
        return self.answer.is_sure


@dataclass(frozen=True)
class ClipReading:
    """The predictions of one recogniser on one clip, T >= 1 steps."""

    rule: AnswerRule  # what makes an answer of the probabilities
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

    @property
    def labels(self) -> tuple[str, ...]:
        return self.rule.labels

    @cached_property
    def answers(self) -> list[Answer]:
        """The answer after every frame."""
        return self.rule.answers(self.probabilities)

    @property
    def leading(self) -> list[str]:
        """The label of the answer after every frame; the likeliest one where the answer is not sure."""
        return [answer.label for answer in self.answers]

    @property
    def changes(self) -> list[int]:
        """The steps at which the leading label changes."""
        return changes(self.leading)

    @cached_property
    def prediction(self) -> Prediction:
        """The prediction after the last frame."""
        last = self.probabilities[-1]
        ranked = tuple((self.labels[k], float(last[k])) for k in self.rule.ranked(last))
        answer = self.answers[-1]
        decided = decided_step([each.text for each in self.answers]) if answer.is_sure else None
        return Prediction(answer, ranked, decided)


def answer_rule(model: ActionModel) -> AnswerRule:
    """The rule with this recogniser's labels and threshold."""
    return AnswerRule(tuple(model.labels), model.finer, model.threshold)


def read_features(model: ActionModel, features: Sequence[FrameFeatures], duration: float) -> ClipReading:
    """The reading of a clip's features; ``duration`` is the clip's, in seconds. Needs at least one frame."""
    steps = tuple(model.predict(features))
    return ClipReading(answer_rule(model), duration, steps)
