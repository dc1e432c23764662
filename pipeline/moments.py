"""When the answer changes: what the frame-by-frame mode marks in a row of probabilities.

Shapes: T steps, L labels; ``probabilities`` is (T, L), each row summing to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Segment:
    """A stretch of steps, the last one included, with the label that was likeliest on average."""

    first: int
    last: int
    start: float  # seconds
    end: float
    label: int
    probability: float


def leaders(probabilities: np.ndarray) -> np.ndarray:
    """The likeliest label after every step, (T,)."""
    return probabilities.argmax(1)


def changes(leading: Sequence[int] | np.ndarray) -> list[int]:
    """The steps at which the leading label is another than at the step before."""
    leading = np.asarray(leading)
    return (np.flatnonzero(leading[1:] != leading[:-1]) + 1).tolist()


def decided_at(leading: Sequence[int] | np.ndarray) -> int:
    """The step from which on the leading label never changes again."""
    return (changes(leading) or [0])[-1]


def changes_per_second(leading: Sequence[int] | np.ndarray, duration: float) -> float:
    """How restless an answer is; 0 for a clip without length."""
    return len(changes(leading)) / duration if duration > 0 else 0.0


def spelled(probabilities: np.ndarray, labels: Sequence[str], prefix: str) -> list[tuple[str, float]]:
    """How likely each next letter is, given what is spelled so far, the likeliest first; "" if a label ends there.

    The probability of a letter is the sum over the labels that begin so; ``probabilities`` is one step's, (L,).
    Labels that do not begin with the prefix no longer count. [] if none does.
    """
    share: dict[str, float] = {}
    for label, p in zip(labels, probabilities.tolist(), strict=True):
        if label.startswith(prefix):
            letter = label[len(prefix) : len(prefix) + 1]
            share[letter] = share.get(letter, 0.0) + p
    total = sum(share.values())
    ranked = sorted(share.items(), key=lambda pair: -pair[1])
    return [(letter, p / total) for letter, p in ranked] if total > 0 else []


@dataclass(frozen=True)
class Letter:
    """One letter of the label that is being spelled, and what else could have stood there."""

    letter: str
    probability: float  # given the letters before it
    others: tuple[tuple[str, float], ...]
    labels: int  # that still begin like this, the letter included


def spelling(probabilities: np.ndarray, labels: Sequence[str], others: int = 3) -> list[Letter]:
    """The likeliest letter at every place, until a label is spelled out; ``probabilities`` is one step's, (L,)."""
    prefix, path = "", []
    while (ranked := spelled(probabilities, labels, prefix)) and ranked[0][0]:
        prefix += ranked[0][0]
        left = sum(label.startswith(prefix) for label in labels)
        path.append(Letter(*ranked[0], tuple(ranked[1 : 1 + others]), left))
    return path


def segments(
    probabilities: np.ndarray, times: Sequence[float], duration: float, cuts: Sequence[int] = ()
) -> list[Segment]:
    """The whole clip as stretches of one leading label, without gaps; a cut always begins a new one."""
    leading = leaders(probabilities)
    borders = sorted({0, *changes(leading), *cuts})
    found = []
    for first, after in zip(borders, [*borders[1:], len(leading)], strict=True):
        mean = probabilities[first:after].mean(0)
        end = times[after] if after < len(times) else max(duration, times[-1])
        found.append(Segment(first, after - 1, times[first], end, int(mean.argmax()), float(mean.max())))
    return found
