"""The reading of a whole clip: the final prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.analysis.change_points import decided_at, leaders
from pipeline.models.action import ActionModel, ActionStep


@dataclass(frozen=True)
class Verdict:
    """The answer to a whole clip: its labels by falling probability, and whether the best one may be said aloud."""

    ranked: tuple[tuple[str, float], ...]  # every label with its probability
    sure: bool
    decided_at: int  # index of the step from which the leading label no longer changes

    @property
    def label(self) -> str:
        return self.ranked[0][0]

    @property
    def probability(self) -> float:
        return self.ranked[0][1]


def verdict(model: ActionModel, steps: Sequence[ActionStep]) -> Verdict:
    """The last step's answer, and since when it stands. Needs at least one step."""
    last = steps[-1].probabilities
    order = np.argsort(-last, kind="stable")
    ranked = tuple((model.labels[k], float(last[k])) for k in order)
    decided = decided_at(leaders(np.stack([step.probabilities for step in steps])))
    return Verdict(ranked, bool(last[order[0]] >= model.threshold), decided)
