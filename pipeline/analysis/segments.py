"""Many-to-many, in step: a label at every moment of a long clip in which several things happen, one after the other.

The verdict on a clip weighs all of it. Here every moment is read afresh from the last WINDOW frames alone, and never
across a cut: what came before a cut says nothing about what comes after, so the state begins again there.

Shapes: T steps, D features of one picture, L labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.analysis.change_points import changes, top_labels
from pipeline.models.action import ActionModel
from pipeline.models.encoder import FrameFeatures

LONG_CLIP_SECONDS = 20.0  # seconds from which on a clip is worth a second, closer look
STEPS = 96  # of that closer look: one every 0.8 s in a minute's clip, every 6.4 s in ten minutes'
WINDOW = 8  # frames that a moment is read from
CUT = 0.62  # cosine of two neighbouring frames' features under which they are of two scenes (benchmarks/cuts.py)


def shot_boundaries(features: Sequence[FrameFeatures]) -> list[int]:
    """The steps that begin a new scene; never the first."""
    rows = np.stack([frame.appearance for frame in features])
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return (np.flatnonzero((rows[1:] * rows[:-1]).sum(1) < CUT) + 1).tolist()


def sliding_window_predictions(
    model: ActionModel, features: Sequence[FrameFeatures], shot_boundaries: Sequence[int]
) -> np.ndarray:
    """What the frames just before each moment, and the moment's own, say of it: (T, L) probabilities."""
    rows, scene = [], 0
    for now in range(len(features)):
        scene = now if now in shot_boundaries else scene
        *_, last = model.predict(features[max(scene, now - WINDOW + 1) : now + 1])
        rows.append(last.probabilities)
    return np.stack(rows)


@dataclass(frozen=True)
class Segment:
    """A stretch of steps, the last one included, with the label that was likeliest on average."""

    first: int
    last: int
    start: float  # seconds
    end: float
    label: int
    probability: float


def segments(
    probabilities: np.ndarray, times: Sequence[float], duration: float, shot_boundaries: Sequence[int] = ()
) -> list[Segment]:
    """The whole clip as stretches of one leading label, without gaps; a cut always begins a new one."""
    leading = top_labels(probabilities)
    borders = sorted({0, *changes(leading), *shot_boundaries})
    found = []
    for first, after in zip(borders, [*borders[1:], len(leading)], strict=True):
        mean = probabilities[first:after].mean(0)
        end = times[after] if after < len(times) else max(duration, times[-1])
        found.append(Segment(first, after - 1, times[first], end, int(mean.argmax()), float(mean.max())))
    return found
