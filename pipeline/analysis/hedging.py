"""The answer to a clip: the likeliest label, a broader label, "no action", or "not sure". One rule for the pages, the
exports and the command line.

The first question is whether anybody does anything: "no action" comes before every action if its probability is at
least 0.8, and after the likeliest action otherwise. Below that the answer is "not sure", which is as right where nobody
acts, and a photo of a sport seen from far keeps its likeliest action.

Answers hedge (Deng, Krause, Berg and Fei-Fei 2012, "Hedging your bets"): a *broad* label covers *finer* ones, as
"cooking" covers "chopping vegetables". If the likeliest label reaches the threshold, it is the answer. Else the answer
is a broad label whose own probability and those of its finer labels add up to the threshold: of several, the most
precise one, which is the one with the fewest finer labels, and of these the one with the largest sum. Else the answer
is "not sure".

"Something else" is no label that can be said. Its probability is that of a clip which shows nothing that was learned,
as in OpenMax (Bendale and Boult 2016). Where it is high, no label reaches the threshold.

Shapes: T steps, L labels, B broad labels.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.analysis.confidence import NOT_SURE
from pipeline.models.action import NO_ACTION, SOMETHING_ELSE

NOBODY_FROM = 0.8  # probability of NO_ACTION from which on it comes before every action
UNKNOWN_FROM = 0.5  # probability of "something else" from which on an answer that is not sure is called unknown


@dataclass(frozen=True)
class Answer:
    """The answer after one step. Of an answer that is not sure, ``label`` is the likeliest label."""

    label: str
    probability: float  # of the label, or the sum of ``parts``
    is_sure: bool
    parts: tuple[tuple[str, float], ...] = ()  # of a sum: the broad label and its finer ones by falling probability
    something_else: float = 0.0  # the probability that the clip shows nothing that was learned

    @property
    def is_sum(self) -> bool:
        return bool(self.parts)

    @property
    def is_no_action(self) -> bool:
        """Whether the answer is that nobody does anything."""
        return self.is_sure and self.label == NO_ACTION

    @property
    def is_unknown(self) -> bool:
        """Whether the answer is not sure because the clip looks like nothing that was learned."""
        return not self.is_sure and self.something_else >= UNKNOWN_FROM

    @property
    def probability_if_known(self) -> float:
        """The probability of the label, given that the clip shows something that was learned."""
        return min(1.0, self.probability / max(1.0 - self.something_else, self.probability, 1e-9))

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

    @cached_property
    def _actions(self) -> np.ndarray:
        """The columns of the actions."""
        return np.array([k for k, label in enumerate(self.labels) if label not in (NO_ACTION, SOMETHING_ELSE)])

    def _column(self, label: str) -> int | None:
        return self.labels.index(label) if label in self.labels else None

    @property
    def action_count(self) -> int:
        return len(self._actions)

    def answers(self, probabilities: np.ndarray) -> list[Answer]:
        """The answer at every step, from probabilities (T, L)."""
        sums = np.zeros((len(probabilities), len(self._members)))  # (T, B)
        for b, columns in enumerate(self._members):
            sums[:, b] = probabilities[:, columns].sum(1, dtype=float)
        best = self._actions[probabilities[:, self._actions].argmax(1)]
        if (nobody := self._column(NO_ACTION)) is not None:
            best = np.where(probabilities[:, nobody] >= NOBODY_FROM, nobody, best)
        return [
            self._answer(row, k, row_sums) for row, k, row_sums in zip(probabilities, best.tolist(), sums, strict=True)
        ]

    def answer(self, probabilities: np.ndarray) -> Answer:
        """The answer at one step, from probabilities (L,)."""
        return self.answers(probabilities[None])[0]

    def ranked(self, probabilities: np.ndarray) -> list[int]:
        """The columns of the labels that can be said, from probabilities (L,), the likeliest first."""
        order: list[int] = self._actions[np.argsort(-probabilities[self._actions], kind="stable")].tolist()
        if (nobody := self._column(NO_ACTION)) is not None:
            p = probabilities[nobody]
            likelier = sum(bool(probabilities[k] > p) for k in order)
            order.insert(0 if p >= NOBODY_FROM else max(1, likelier), nobody)
        return order

    def _answer(self, row: np.ndarray, best: int, sums: np.ndarray) -> Answer:
        highest = float(row[best])
        unknown = self._column(SOMETHING_ELSE)
        something_else = 0.0 if unknown is None else float(row[unknown])
        enough = [b for b, total in enumerate(sums.tolist()) if total >= self.threshold]
        if highest >= self.threshold or not enough:
            return Answer(self.labels[best], highest, highest >= self.threshold, (), something_else)
        chosen = min(enough, key=lambda b: (len(self._members[b]), -sums[b]))
        columns = self._members[chosen]
        order = columns[np.argsort(-row[columns], kind="stable")].tolist()
        parts = tuple((self.labels[k], float(row[k])) for k in order)
        return Answer(self.labels[columns[0]], float(sums[chosen]), True, parts, something_else)

    def with_sums(self, probabilities: np.ndarray, broad: Collection[str]) -> np.ndarray:
        """Probabilities (T, L) in which those of these broad labels are replaced by their sums."""
        summed = probabilities.copy()
        for columns in self._members:
            if self.labels[columns[0]] in broad:
                summed[:, columns[0]] = probabilities[:, columns].sum(1)
        return summed
