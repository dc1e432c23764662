"""The same frames in another order: what a recurrent network makes of a clip that is played differently.

Each rearrangement says, for every step, which frame is read there; -1 hides it. Nothing is encoded again. The picture
of what moves goes along with its frame as it is, though played backwards it would be its own negative.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.models.encoder import FrameFeatures

ORDER_MATTERS = 0.1  # total variation between two answers from which on they count as different


def backwards(count: int) -> list[int]:
    return list(range(count))[::-1]


def shuffled(count: int, seed: int = 0) -> list[int]:
    return np.random.default_rng(seed).permutation(count).tolist()


def frozen(count: int) -> list[int]:
    """The first frame, again and again."""
    return [0] * count


def drop_every_nth(count: int, n: int) -> list[int]:
    """Every n-th frame is left out, n >= 2."""
    if n < 2:
        raise ValueError("Leaving out every n-th frame needs n of 2 or more.")
    return [-1 if k % n == n - 1 else k for k in range(count)]


def without_span(count: int, first: int, last: int) -> list[int]:
    """The frames from ``first`` to ``last`` are not read."""
    return [-1 if first <= k <= last else k for k in range(count)]


def reorder(features: Sequence[FrameFeatures], order: Sequence[int]) -> list[FrameFeatures]:
    """The frames as that order reads them, each at the time of its new place; hidden ones are missing."""
    return [
        FrameFeatures(place, features[place].time, features[k].appearance, features[k].motion)
        for place, k in enumerate(order)
        if k >= 0
    ]


def total_variation(one: np.ndarray, other: np.ndarray) -> float:
    """Total variation between two answers (L,), 0 (the same) to 1."""
    return float(np.abs(one - other).sum() / 2)
