"""Change points of the leading label in a sequence of answers (see hedging.py)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Labels = Sequence[int] | Sequence[str] | np.ndarray  # one at each step: numbers, names, or answers in words


def changes(leading: Labels) -> list[int]:
    """The steps at which the label differs from that of the step before."""
    labels = np.asarray(leading)
    return (np.flatnonzero(labels[1:] != labels[:-1]) + 1).tolist()


def decided_step(leading: Labels) -> int:
    """The step from which on the label never changes again."""
    return (changes(leading) or [0])[-1]


def changes_per_second(leading: Labels, duration: float) -> float:
    """How often the label changes; 0 for a clip of no duration."""
    return len(changes(leading)) / duration if duration > 0 else 0.0
