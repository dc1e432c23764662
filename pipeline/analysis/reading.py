"""The reading of a whole clip: the final prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.analysis.change_points import decided_step
from pipeline.analysis.confidence import answer_text, is_confident
from pipeline.models.action import ActionModel, ActionStep


@dataclass(frozen=True)
class Prediction:
    """The answer to a whole clip: its labels by falling probability, and whether the best one may be said aloud."""

    ranked: tuple[tuple[str, float], ...]  # every label with its probability
    is_confident: bool
    decided_step: int | None  # index of the first step from which this answer stands; None if the last one is not sure

    @property
    def label(self) -> str:
        return self.ranked[0][0]

    @property
    def probability(self) -> float:
        return self.ranked[0][1]


def verdict(model: ActionModel, steps: Sequence[ActionStep]) -> Prediction:
    """The last step's answer, and since when it stands. Needs at least one step."""
    last = steps[-1].probabilities
    order = np.argsort(-last, kind="stable")
    ranked = tuple((model.labels[k], float(last[k])) for k in order)
    confident = is_confident(last[order[0]], model.threshold)
    return Prediction(ranked, confident, decided_step(answers(model, steps)) if confident else None)


def answers(model: ActionModel, steps: Sequence[ActionStep]) -> list[str]:
    """The answer after every step in words; "not sure: label" where no label reaches the threshold."""
    best = [(int(step.probabilities.argmax()), float(step.probabilities.max())) for step in steps]
    return [answer_text(model.labels[k], p, model.threshold) for k, p in best]
