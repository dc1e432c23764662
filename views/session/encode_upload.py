"""A visitor's file becomes an encoded clip, when it is its turn; what the network thinks so far is shown meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pipeline.media.reader import MAX_STEPS, open_clip
from pipeline.models.encoder import FrameFeatures
from views.hosting.job_log import Job, job
from views.hosting.malloc import release_free_memory
from views.hosting.uploads import ClipFile, private_file
from views.session.encoded_clip import EncodedClip, recent_clips
from views.session.resources import action_model, encoder, job_queue

TOP = 3  # labels shown while a clip is still being read

# Told while a clip is read: the share done in 0..1, what is happening, and the likeliest labels so far, if any.
Progress = Callable[[float, str, Sequence[tuple[str, float]]], None]


def encoded_clip(chosen: ClipFile, cell: str, progress: Progress, max_steps: int = MAX_STEPS) -> EncodedClip:
    """The file's clip, read when it is its turn, unless somebody before it in line had the same. ``cell`` is the
    recogniser's that says meanwhile what it thinks so far.

    Raises MediaError if it cannot be read, QueueFullError if too many are waiting; what ``progress`` raises ends it.
    """
    key = chosen.key(max_steps)
    with job_queue().turn(lambda before: progress(0.0, waiting(before), ())):
        clip = recent_clips().get(key) or _encode(key, chosen, cell, progress, max_steps)
        recent_clips().put(clip)
    release_free_memory()
    return clip


def waiting(before: int) -> str:
    return "One clip is before yours" if before == 1 else f"{before} clips are before yours"


def _encode(key: str, chosen: ClipFile, cell: str, progress: Progress, max_steps: int) -> EncodedClip:
    with job(len(chosen.data)) as noted, private_file(chosen.data) as path:
        noted.stage("first")
        shown = ProgressReporter(progress)
        with open_clip(path, max_steps, chosen.name, shown.again) as stream:
            info = stream.wait_for_info()
            noted.notes |= {"kind": info.kind, "pixels": info.width * info.height}
            preview = Preview(shown, noted, cell, info.claimed_duration)
            features = encoder().encode_clip(stream, None if info.kind == "photo" else preview.add)
            clip = stream.clip()
        noted.notes["frames"] = len(features)
        pictures = tuple(
            frame.preview_jpeg for frame in clip.frames if max_steps == MAX_STEPS
        )  # nobody sees a closer look
    return EncodedClip(key, clip.kind, clip.duration, features, pictures, clip.mime)


class ProgressReporter:
    """What a visitor sees of the work; ``again`` shows the same, and so notices whether they are still there."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._last: tuple[float, str, Sequence[tuple[str, float]]] = (0.0, "Opening the file", ())
        self.again()

    def again(self) -> None:
        self._progress(*self._last)

    def now(self, share: float, text: str, top: Sequence[tuple[str, float]]) -> None:
        self._last = (share, text, top)
        self.again()


class Preview:
    """The recogniser's prediction so far, shown after every frame while the clip is still being decoded."""

    def __init__(self, shown: ProgressReporter, noted: Job, cell: str, claimed_duration: float) -> None:
        self._shown, self._noted, self._claimed = shown, noted, claimed_duration
        self._model = action_model(cell)
        self._state = self._model.initial_state()
        self._frames = 0

    def add(self, frame: FrameFeatures) -> None:
        step, self._state = self._model.step(frame, self._state)
        self._frames += 1
        if self._frames == 1:
            self._noted.stage("rest")
        share = min(1.0, step.time / self._claimed) if self._claimed else 0.0
        order = step.probabilities.argsort()[::-1][:TOP]
        top = [(self._model.labels[k], float(step.probabilities[k])) for k in order]
        self._shown.now(share, f"{step.time:.1f} s of the clip read", top)
