"""What if: the same frames in another order, read by the same recurrent network.

Each order gives the frame to read at every step; -1 leaves the step out. No frame is encoded again. Motion features are
not recomputed: a frame keeps those of the original order, although true reversal would invert the motion image.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.models.encoder import FrameFeatures

ORDER_MATTERS = 0.1  # total variation above which two predictions count as different


def backwards(count: int) -> list[int]:
    return list(range(count))[::-1]


def shuffled(count: int, seed: int = 0) -> list[int]:
    return np.random.default_rng(seed).permutation(count).tolist()


def frozen(count: int) -> list[int]:
    """The first frame at every step."""
    return [0] * count


def drop_every_nth(count: int, n: int) -> list[int]:
    """Every n-th frame is left out. Raises ValueError unless n >= 2."""
    if n < 2:
        raise ValueError("Leaving out every n-th frame needs n of 2 or more.")
    return [-1 if k % n == n - 1 else k for k in range(count)]


def without_span(count: int, first: int, last: int) -> list[int]:
    """The frames from ``first`` to ``last`` are left out."""
    return [-1 if first <= k <= last else k for k in range(count)]


def reorder(features: Sequence[FrameFeatures], order: Sequence[int]) -> list[FrameFeatures]:
    """The frames in that order, each at the time of its new place, without those that are left out."""
    return [
        FrameFeatures(place, features[place].time, features[k].appearance, features[k].motion)
        for place, k in enumerate(order)
        if k >= 0
    ]


def total_variation(one: np.ndarray, other: np.ndarray) -> float:
    """Total variation between two predictions (L,), from 0 (equal) to 1."""
    return float(np.abs(one - other).sum() / 2)
