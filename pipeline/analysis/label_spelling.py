"""A label spelled letter by letter from the probabilities of whole labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


def next_letters(probabilities: np.ndarray, labels: Sequence[str], prefix: str) -> list[tuple[str, float]]:
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
class SpelledLetter:
    """One letter of the label that is being spelled, and what else could have stood there."""

    letter: str
    probability: float  # given the letters before it
    others: tuple[tuple[str, float], ...]
    labels: int  # that still begin like this, the letter included


def spell_label(probabilities: np.ndarray, labels: Sequence[str], others: int = 3) -> list[SpelledLetter]:
    """The likeliest letter at every place, until a label is spelled out; ``probabilities`` is one step's, (L,)."""
    prefix, path = "", []
    while (ranked := next_letters(probabilities, labels, prefix)) and ranked[0][0]:
        prefix += ranked[0][0]
        left = sum(label.startswith(prefix) for label in labels)
        path.append(SpelledLetter(*ranked[0], tuple(ranked[1 : 1 + others]), left))
    return path
