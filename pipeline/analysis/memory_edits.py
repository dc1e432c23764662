"""Operations on the memory: frames of one or two clips in any order, and cuts at which the state is reset.

Nothing is encoded again, so an operation is answered at once: what the video encoder made of a frame is kept as it was
seen in its own clip, and only its mean over the clip so far is computed anew. (analysis/what_if.py lets the video
encoder read the frames again.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from pipeline.analysis.reading import ClipReading, answer_rule
from pipeline.analysis.segments import by_themselves
from pipeline.models.action import ActionModel, ActionStep
from pipeline.models.encoder import FrameFeatures
from pipeline.models.video_encoder import VideoEncoder
from pipeline.sandbox.sampling import SLOT


def read_edited(
    model: ActionModel, video: VideoEncoder | None, frames: Sequence[FrameFeatures], cuts: Sequence[int] = ()
) -> ClipReading:
    """The reading of frames, SLOT seconds apart, at least one. At each of the ``cuts`` (steps, not the first one)
    everything that was read before is forgotten. ``video`` is the encoder of the features."""
    borders = [0, *sorted({cut for cut in cuts if 0 < cut < len(frames)}), len(frames)]
    timed = [replace(frame, index=k, time=k * SLOT) for k, frame in enumerate(frames)]
    steps: list[ActionStep] = []
    for first, after in pairwise(borders):
        steps += model.predict(by_themselves(timed[first:after], video))
    return ClipReading(answer_rule(model), len(frames) * SLOT, tuple(steps))


def steps_held(reading: ClipReading, border: int) -> int:
    """For how many steps from ``border`` on the label still leads that led before it."""
    leading = reading.leading
    held = 0
    while border + held < len(leading) and leading[border + held] == leading[border - 1]:
        held += 1
    return held


def steps_until_settled(reading: ClipReading, border: int) -> int:
    """After how many steps from ``border`` on the label leads that leads in the end, and keeps the lead."""
    leading = reading.leading
    settled = len(leading)
    while settled > border and leading[settled - 1] == leading[-1]:
        settled -= 1
    return settled - border + 1
