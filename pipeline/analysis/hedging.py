"""The answer to a clip: the likeliest label, a broader label, or "not sure". One rule for the pages, the exports and
the command line.

Answers hedge (Deng, Krause, Berg and Fei-Fei 2012, "Hedging your bets"): a *broad* label covers *finer* ones, as
"cooking" covers "chopping vegetables". If the likeliest label reaches the threshold, it is the answer. Else the answer
is a broad label whose own probability and those of its finer labels add up to the threshold: of several, the most
precise one, which is the one with the fewest finer labels, and of these the one with the largest sum. Else the answer
is "not sure".

Shapes: T steps, L labels, B broad labels.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.analysis.confidence import NOT_SURE


@dataclass(frozen=True)
class Answer:
    """The answer after one step. Of an answer that is not sure, ``label`` is the likeliest label."""

    label: str
    probability: float  # of the label, or the sum of ``parts``
    is_sure: bool
    parts: tuple[tuple[str, float], ...] = ()  # of a sum: the broad label and its finer ones by falling probability

    @property
    def is_sum(self) -> bool:
        return bool(self.parts)

    @property
    def text(self) -> str:
        """The answer in words: the label, or "not sure: label"."""
        return self.label if self.is_sure else f"{NOT_SURE}: {self.label}"


@dataclass(frozen=True)
class AnswerRule:
    """The rule with the labels and the threshold of one recogniser. ``finer`` has every broad label with all its finer
    ones; without any, the answer is always the likeliest label or "not sure"."""

    labels: tuple[str, ...]
    finer: Mapping[str, Sequence[str]]
    threshold: float

    @cached_property
    def _members(self) -> list[np.ndarray]:
        """The columns of each broad label: its own first, then those of its finer labels."""
        column = {label: k for k, label in enumerate(self.labels)}
        return [np.array([column[label] for label in (broad, *finer)]) for broad, finer in self.finer.items()]

    def answers(self, probabilities: np.ndarray) -> list[Answer]:
        """The answer at every step, from probabilities (T, L)."""
        sums = np.zeros((len(probabilities), len(self._members)))  # (T, B)
        for b, columns in enumerate(self._members):
            sums[:, b] = probabilities[:, columns].sum(1, dtype=float)
        rows = zip(probabilities, probabilities.argmax(1).tolist(), sums, strict=True)
        return [self._answer(row, best, row_sums) for row, best, row_sums in rows]

    def answer(self, probabilities: np.ndarray) -> Answer:
        """The answer at one step, from probabilities (L,)."""
        return self.answers(probabilities[None])[0]

    def _answer(self, row: np.ndarray, best: int, sums: np.ndarray) -> Answer:
        highest = float(row[best])
        if highest >= self.threshold:
            return Answer(self.labels[best], highest, True)
        enough = [b for b, total in enumerate(sums.tolist()) if total >= self.threshold]
        if not enough:
            return Answer(self.labels[best], highest, False)
        chosen = min(enough, key=lambda b: (len(self._members[b]), -sums[b]))
        columns = self._members[chosen]
        order = columns[np.argsort(-row[columns], kind="stable")].tolist()
        parts = tuple((self.labels[k], float(row[k])) for k in order)
        return Answer(self.labels[columns[0]], float(sums[chosen]), True, parts)

    def with_sums(self, probabilities: np.ndarray, broad: Collection[str]) -> np.ndarray:
        """Probabilities (T, L) in which those of these broad labels are replaced by their sums."""
        summed = probabilities.copy()
        for columns in self._members:
            if self.labels[columns[0]] in broad:
                summed[:, columns[0]] = probabilities[:, columns].sum(1)
        return summed
