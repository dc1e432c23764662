"""Encodes a visitor's file when its turn in the job queue comes, and reports the prediction so far meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from pipeline.analysis.hedging import Answer
from pipeline.analysis.reading import answer_rule
from pipeline.media.clip import ClipStream
from pipeline.media.reader import MAX_STEPS, open_clip
from pipeline.models.action import ActionStep
from pipeline.models.encoder import FrameFeatures
from pipeline.sandbox.messages import ClipInfo
from views.hosting.job_log import Job, job
from views.hosting.malloc import release_free_memory
from views.hosting.uploads import ClipFile, private_file
from views.session.encoded_clip import EncodedClip, recent_clips
from views.session.resources import encoder, job_queue
from views.session.taught import recogniser


class FrameRead(NamedTuple):
    """One more frame of a clip that is still being read, and the recogniser's prediction after it."""

    info: ClipInfo
    step: ActionStep
    answer: Answer
    alone: str  # the leading label of this frame by itself
    picture: bytes  # JPEG


# Called while a clip is read: the share done in 0..1, a text for the visitor, and the frame that was read, if any.
Progress = Callable[[float, str, FrameRead | None], None]


def encoded_clip(file: ClipFile, cell: str, progress: Progress, max_steps: int = MAX_STEPS) -> EncodedClip:
    """The file's clip, encoded when its turn comes, unless a job before it encoded the same file. ``cell`` names the
    recogniser of the predictions so far.

    Raises MediaError if it cannot be read, QueueFullError if too many are waiting. An exception from ``progress`` ends
    the job.
    """
    key = file.key(max_steps)
    with job_queue().turn(lambda before: progress(0.0, waiting(before), None)):
        clip = recent_clips().get(key) or _encode(key, file, cell, progress, max_steps)
        recent_clips().put(clip)
    release_free_memory()
    return clip


def waiting(before: int) -> str:
    return "One clip is before yours" if before == 1 else f"{before} clips are before yours"


def _encode(key: str, file: ClipFile, cell: str, progress: Progress, max_steps: int) -> EncodedClip:
    with job(len(file.data)) as noted, private_file(file.data) as path:
        noted.stage("first")
        shown = ProgressReporter(progress)
        with open_clip(path, max_steps, file.name, shown.again) as stream:
            info = stream.wait_for_info()
            noted.notes |= {"kind": info.kind, "pixels": info.width * info.height}
            preview = Preview(shown, noted, cell, stream)
            features = encoder().encode_clip(stream, None if info.kind == "photo" else preview.add)
            clip = stream.clip()
        noted.notes["frames"] = len(features)
        pictures = tuple(frame.preview_jpeg for frame in clip.frames)
        if max_steps != MAX_STEPS:  # of a second reading no picture is shown, and no other order is read
            pictures, features = (), tuple(replace(frame, video_frame=None) for frame in features)
    return EncodedClip(key, clip.kind, clip.duration, features, pictures, clip.mime)


class ProgressReporter:
    """Shows the progress to the visitor. ``again`` repeats the last report; it raises if the visitor has left."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._last = 0.0, "Opening the file"
        self.again()

    def again(self) -> None:
        self._progress(*self._last, None)

    def now(self, share: float, text: str, read: FrameRead) -> None:
        self._last = share, text
        self._progress(share, text, read)


class Preview:
    """The recogniser's prediction so far, shown after every frame while the clip is still being decoded."""

    def __init__(self, shown: ProgressReporter, noted: Job, cell: str, stream: ClipStream) -> None:
        self._shown, self._noted, self._stream = shown, noted, stream
        self._info = stream.wait_for_info()
        self._model = recogniser(cell)
        self._rule = answer_rule(self._model)
        self._state = self._model.initial_state()
        self._frames = 0

    def add(self, frame: FrameFeatures) -> None:
        step, self._state = self._model.step(frame, self._state)
        self._frames += 1
        if self._frames == 1:
            self._noted.stage("rest")
        claimed = self._info.claimed_duration
        alone = self._rule.answer(self._model.per_frame_probabilities([frame])[0]).label
        answer = self._rule.answer(step.probabilities)
        step = replace(step, index=self._frames - 1)
        read = FrameRead(self._info, step, answer, alone, self._stream.frame_at(frame.time).preview_jpeg)
        self._shown.now(min(1.0, step.time / claimed) if claimed else 0.0, f"{step.time:.1f} s of the clip read", read)
