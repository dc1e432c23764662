"""A label spelled letter by letter, from the probabilities of whole labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


def next_letters(probabilities: np.ndarray, labels: Sequence[str], prefix: str) -> list[tuple[str, float]]:
    """The probability of every next letter after ``prefix``, the likeliest first; the letter "" is the end of a label.

    A letter's probability is the sum over the labels that begin with the prefix and the letter, out of those that begin
    with the prefix. ``probabilities`` is that of one step, (L,). [] if no label begins with the prefix.
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
    """One letter of the likeliest label, and the likeliest other letters at its place."""

    letter: str
    probability: float  # given the letters before it
    others: tuple[tuple[str, float], ...]
    labels: int  # how many labels begin with the letters up to this one


def spell_label(probabilities: np.ndarray, labels: Sequence[str], others: int = 3) -> list[SpelledLetter]:
    """The likeliest letter at every place, until a label is complete; ``probabilities`` is that of one step, (L,)."""
    prefix, path = "", []
    while (ranked := next_letters(probabilities, labels, prefix)) and ranked[0][0]:
        prefix += ranked[0][0]
        left = [k for k, label in enumerate(labels) if label.startswith(prefix)]  # only these matter from here on
        probabilities, labels = probabilities[left], [labels[k] for k in left]
        path.append(SpelledLetter(*ranked[0], tuple(ranked[1 : 1 + others]), len(left)))
    return path
