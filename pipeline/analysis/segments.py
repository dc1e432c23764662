"""Many-to-many, in step: a label at every moment of a long clip in which several actions follow one another.

The prediction for a clip weighs all its frames. Here the label at each moment comes from the last WINDOW frames alone,
and never from frames before a cut: the state starts again at zero there.

Shapes: T steps, D features of one image, L labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.analysis.change_points import changes
from pipeline.analysis.hedging import Answer, AnswerRule
from pipeline.models.action import ActionModel
from pipeline.models.encoder import FrameFeatures

LONG_CLIP_SECONDS = 20.0  # longer clips are read a second time, with more frames
STEPS = 96  # frames of that second reading: one every 0.8 s of a minute, every 6.4 s of ten minutes
WINDOW = 8  # frames
CUT = 0.62  # a lower cosine between the features of neighbouring frames is a cut (benchmarks/cuts.py)


def shot_boundaries(features: Sequence[FrameFeatures]) -> list[int]:
    """The steps that begin a new shot, without the first step."""
    rows = np.stack([frame.appearance for frame in features])
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return (np.flatnonzero((rows[1:] * rows[:-1]).sum(1) < CUT) + 1).tolist()


def sliding_window_predictions(
    model: ActionModel, features: Sequence[FrameFeatures], shot_boundaries: Sequence[int]
) -> np.ndarray:
    """Label probabilities at every step, from the last WINDOW frames of its shot, (T, L)."""
    rows, shot = [], 0
    for now in range(len(features)):
        shot = now if now in shot_boundaries else shot
        *_, last = model.predict(features[max(shot, now - WINDOW + 1) : now + 1])
        rows.append(last.probabilities)
    return np.stack(rows)


@dataclass(frozen=True)
class Segment:
    """The steps from ``first`` to ``last``, both included, with the answer to their mean probabilities."""

    first: int
    last: int
    start: float  # seconds
    end: float
    answer: Answer


def segments(
    rule: AnswerRule, probabilities: np.ndarray, times: Sequence[float], duration: float, shot_boundaries: Sequence[int]
) -> list[Segment]:
    """The whole clip as segments of one leading label, without gaps; a cut always begins a new segment."""
    leading = [answer.label for answer in rule.answers(probabilities)]
    borders = sorted({0, *changes(leading), *shot_boundaries})
    clip_segments = []
    for first, after in zip(borders, [*borders[1:], len(leading)], strict=True):
        answer = rule.answer(probabilities[first:after].mean(0))
        end = times[after] if after < len(times) else max(duration, times[-1])
        clip_segments.append(Segment(first, after - 1, times[first], end, answer))
    return clip_segments
