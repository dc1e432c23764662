"""When the answer changes: what the frame-by-frame mode marks in a row of probabilities.

Shapes: T steps, L labels; ``probabilities`` is (T, L), each row summing to 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def top_labels(probabilities: np.ndarray) -> np.ndarray:
    """The likeliest label after every step, (T,)."""
    return probabilities.argmax(1)


def changes(leading: Sequence[int] | Sequence[str] | np.ndarray) -> list[int]:
    """The steps at which the leading label (or the answer in words) is another than at the step before."""
    leading = np.asarray(leading)
    return (np.flatnonzero(leading[1:] != leading[:-1]) + 1).tolist()


def decided_step(leading: Sequence[int] | Sequence[str] | np.ndarray) -> int:
    """The step from which on the leading label (or the answer in words) never changes again."""
    return (changes(leading) or [0])[-1]


def changes_per_second(leading: Sequence[int] | np.ndarray, duration: float) -> float:
    """How restless an answer is; 0 for a clip without length."""
    return len(changes(leading)) / duration if duration > 0 else 0.0
