"""Many-to-many, in step: a label at every moment of a long clip in which several actions follow one another.

The prediction for a clip weighs all its frames. Here the clip is cut into *passages* of at most PASSAGE frames that
follow each other closely, without a cut between them: a burst of the clip, or a part of one. Each passage is read by
itself, from a state of zero, and its frames have the label that it ends with. A passage is as long as the bursts that
the networks were trained on, so motion is read as it is in a whole clip.

Shapes: T steps, D features of one image, L labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.analysis.change_points import changes
from pipeline.analysis.hedging import Answer, AnswerRule
from pipeline.models.action import ActionModel
from pipeline.models.encoder import FrameFeatures
from pipeline.models.video_encoder import VideoEncoder, continues

LONG_CLIP_SECONDS = 20.0  # longer clips are read a second time, with more frames
STEPS = 192  # frames of that second reading: a burst every 3.2 s of a minute, every 25.6 s of ten minutes
PASSAGE = 8  # frames
CUT = 0.62  # a lower cosine between the features of neighbouring frames is a cut (benchmarks/cuts.py)


def shot_boundaries(features: Sequence[FrameFeatures]) -> list[int]:
    """The steps that begin a new shot, without the first step."""
    rows = np.stack([frame.appearance for frame in features])
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return (np.flatnonzero((rows[1:] * rows[:-1]).sum(1) < CUT) + 1).tolist()


def passages(features: Sequence[FrameFeatures], shot_boundaries: Sequence[int]) -> list[tuple[int, int]]:
    """The passages of a clip, each as (first step, step after the last)."""
    first, found = 0, []
    for step in range(1, len(features) + 1):
        is_end = step == len(features) or step in shot_boundaries or step - first == PASSAGE
        if is_end or not continues(features[step].time - features[step - 1].time):
            found.append((first, step))
            first = step
    return found


def passage_predictions(
    model: ActionModel,
    video: VideoEncoder | None,
    features: Sequence[FrameFeatures],
    shot_boundaries: Sequence[int],
) -> np.ndarray:
    """Label probabilities at every step, those of its passage, (T, L). ``video`` is the encoder of the features."""
    rows = []
    for first, after in passages(features, shot_boundaries):
        *_, last = model.predict(by_themselves(features[first:after], video))
        rows += [last.probabilities] * (after - first)
    return np.stack(rows)


def by_themselves(frames: Sequence[FrameFeatures], video: VideoEncoder | None) -> list[FrameFeatures]:
    """The frames with what the video encoder would say of a clip that begins with the first of them."""
    motions = [frame.motion for frame in frames if frame.motion is not None]
    if video is None or len(motions) < len(frames):
        return list(frames)
    return [replace(frame, motion=motion) for frame, motion in zip(frames, video.restart(motions), strict=True)]


@dataclass(frozen=True)
class Segment:
    """The steps from ``first`` to ``last``, both included, with the answer to their mean probabilities."""

    first: int
    last: int
    start: float  # seconds
    end: float
    answer: Answer


def merged(found: Sequence[Segment], shortest: float) -> list[Segment]:
    """Segments to show in a row: neighbours with the same answer in words are one, and one of less than ``shortest``
    seconds belongs to the longer one of its neighbours, whose answer stands for both."""
    rows = list(found)
    while len(rows) > 1:
        same = [k for k in range(1, len(rows)) if rows[k].answer.text == rows[k - 1].answer.text]
        short = [k for k, each in enumerate(rows) if each.end - each.start < shortest]
        if not same and not short:
            break
        if same:
            first = same[0] - 1
        else:
            k = min(short, key=lambda k: rows[k].end - rows[k].start)
            before = rows[k - 1].end - rows[k - 1].start if k else -1.0
            after = rows[k + 1].end - rows[k + 1].start if k + 1 < len(rows) else -1.0
            first = k - 1 if before >= after else k
        one, other = rows[first : first + 2]
        longer = one if one.end - one.start >= other.end - other.start else other
        rows[first : first + 2] = [Segment(one.first, other.last, one.start, other.end, longer.answer)]
    return rows


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
