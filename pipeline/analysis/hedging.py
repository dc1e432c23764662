"""The answer to a clip: the likeliest label, a broader label, or "not sure". One rule for the pages, the exports and the
command line.

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
    def _broad(self) -> list[int]:
        """The columns of the broad labels, (B,)."""
        return [self.labels.index(label) for label in self.finer]

    @cached_property
    def _covers(self) -> np.ndarray:
        """(L, B): 1 where the broad label is the label or covers it, else 0."""
        column = {label: k for k, label in enumerate(self.labels)}
        covers = np.zeros((len(self.labels), len(self._broad)))
        for b, (broad, finer) in enumerate(self.finer.items()):
            covers[[column[label] for label in (broad, *finer)], b] = 1
        return covers

    @cached_property
    def _counts(self) -> np.ndarray:
        """(B,): how many labels each broad label stands for; fewer are more precise."""
        return self._covers.sum(0)

    def answers(self, probabilities: np.ndarray) -> list[Answer]:
        """The answer at every step, from probabilities (T, L)."""
        sums = probabilities @ self._covers  # (T, B)
        rows = zip(probabilities, probabilities.argmax(1).tolist(), sums, strict=True)
        return [self._answer(row, best, row_sums) for row, best, row_sums in rows]

    def answer(self, probabilities: np.ndarray) -> Answer:
        """The answer at one step, from probabilities (L,)."""
        return self.answers(probabilities[None])[0]

    def _answer(self, row: np.ndarray, best: int, sums: np.ndarray) -> Answer:
        highest = float(row[best])
        if highest >= self.threshold:
            return Answer(self.labels[best], highest, True)
        enough = np.flatnonzero(sums >= self.threshold)
        if len(enough) == 0:
            return Answer(self.labels[best], highest, False)
        most_precise = enough[self._counts[enough] == self._counts[enough].min()]
        chosen = int(most_precise[sums[most_precise].argmax()])
        covered = np.flatnonzero(self._covers[:, chosen])
        order = covered[np.argsort(-row[covered], kind="stable")]
        parts = tuple((self.labels[k], float(row[k])) for k in order)
        return Answer(self.labels[self._broad[chosen]], float(sums[chosen]), True, parts)

    def with_sums(self, probabilities: np.ndarray, broad: Collection[str]) -> np.ndarray:
        """Probabilities (T, L) in which those of these broad labels are replaced by their sums."""
        summed = probabilities.copy()
        for b, column in enumerate(self._broad):
            if self.labels[column] in broad:
                summed[:, column] = probabilities @ self._covers[:, b]
        return summed
