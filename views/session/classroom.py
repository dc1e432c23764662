"""What one visitor teaches: labels, clips and the lesson. It lives in the session alone and is gone with it.

All visitors share TEACH_MEGABYTES for their clips. A visitor whose clip finds no room is told so.
"""

from __future__ import annotations

import secrets
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import streamlit as st

from pipeline.limits import TEACH_LABELS, TEACH_MEGABYTES
from pipeline.sandbox.messages import MediaError
from pipeline.teaching.examples import Example, TeachingError, check_room, checked_label, example_of
from pipeline.teaching.lesson import Lesson
from views.hosting.job_queue import QueueFullError
from views.hosting.uploads import ClipFile
from views.session.encode_upload import encoded_clip
from views.session.encoded_clip import EncodedClip
from views.session.resources import action_model

FileProgress = Callable[[int, int, str, float], None]  # see read_pending()
STRIP = 5  # pictures of a clip's film strip
PREVIEW_CELL = "lstm"  # recogniser whose labels may be the background


@dataclass(frozen=True)
class TaughtClip:
    """An example with the pictures of its strip; none of a clip that came with a file."""

    example: Example
    pictures: tuple[bytes, ...]
    key: str = field(default_factory=lambda: secrets.token_hex(4))

    @property
    def size(self) -> int:
        return self.example.size + sum(map(len, self.pictures))


class Classroom:
    """The labels and clips of one visitor. ``pending`` are files that wait to be read, ``problems`` one sentence each
    about files that could not be read."""

    def __init__(self) -> None:
        self.labels: list[str] = []
        self.clips: list[TaughtClip] = []
        self.pending: list[tuple[str, ClipFile]] = []
        self.problems: list[str] = []
        self.lesson: Lesson | None = None
        self.judged: list[TaughtClip] = []  # the clips of the lesson, in the order of its judgement
        self.generation = 0  # part of the keys of the uploaders: another number makes them empty

    def add_label(self, text: str) -> None:
        """Raises TeachingError."""
        label = checked_label(text)
        if label in self.labels:
            raise TeachingError(f"There is a label {label} already.")
        if len(self.labels) >= TEACH_LABELS:
            raise TeachingError(f"At most {TEACH_LABELS} labels can be taught.")
        self.labels.append(label)

    def remove_label(self, label: str) -> None:
        self.labels.remove(label)
        self.clips = [each for each in self.clips if each.example.label != label]
        self.pending = [each for each in self.pending if each[0] != label]
        classroom_memory().count(self)

    def remove_clip(self, key: str) -> None:
        self.clips = [each for each in self.clips if each.key != key]
        classroom_memory().count(self)

    def clips_of(self, label: str) -> list[TaughtClip]:
        return [each for each in self.clips if each.example.label == label]

    def add(self, clip: TaughtClip) -> None:
        """Raises TeachingError if there is no room for it."""
        check_room([each.example for each in self.clips], clip.example.label)
        classroom_memory().check(self, clip.size)
        self.clips.append(clip)
        classroom_memory().count(self)

    @property
    def size(self) -> int:
        """Bytes of the clips."""
        return sum(each.size for each in self.clips)

    @property
    def can_learn(self) -> bool:
        return not self.pending and sum(bool(self.clips_of(label)) for label in self.labels) >= 2

    @property
    def is_learned(self) -> bool:
        """Whether the lesson is of the clips that are shown."""
        return self.lesson is not None and self.judged == self.clips


def read_pending(classroom: Classroom, progress: FileProgress) -> None:
    """Read the files that wait, one after the other. A file that cannot be read becomes a problem; the others go on.

    ``progress`` is called with the number of the file, of all, the label and the share that is done; an exception from
    it (the visitor stopped, or left) ends the reading: what was read stays, and nothing of the file in hand is left.
    """
    count = len(classroom.pending)
    while classroom.pending:
        label, file = classroom.pending[0]
        number = count - len(classroom.pending) + 1
        try:
            check_room([each.example for each in classroom.clips], label)
            clip = encoded_clip(file, PREVIEW_CELL, partial(report, progress, number, count, label))
            classroom.add(taught_clip(label, file.name, clip))
        except MediaError as error:  # it names the file
            classroom.problems.append(str(error))
        except TeachingError as error:
            classroom.problems.append(f"{file.name}: {error}")
        except QueueFullError:
            classroom.problems.append(f"{file.name}: too many clips are being read just now; please try it again.")
        classroom.pending.pop(0)


def report(progress: FileProgress, number: int, count: int, label: str, share: float, *_: object) -> None:
    progress(number, count, label, share)


def taught_clip(label: str, name: str, clip: EncodedClip) -> TaughtClip:
    example = example_of(label, name, clip.features, clip.duration, action_model(PREVIEW_CELL))
    step = max(1, len(clip.pictures) // STRIP)
    return TaughtClip(example, clip.pictures[::step][:STRIP])


class ClassroomMemory:
    """Counts the bytes of the clips of all visitors; a session that ends is counted no more."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._bytes: dict[int, int] = {}
        self._lock = threading.Lock()

    def check(self, classroom: Classroom, size: int) -> None:
        """Raises TeachingError if so many bytes more are too many."""
        with self._lock:
            others = sum(each for owner, each in self._bytes.items() if owner != id(classroom))
        if others + classroom.size + size > self.most:
            raise TeachingError("There is no more room for clips on this server just now; remove some, or try later.")

    def count(self, classroom: Classroom) -> None:
        """Note the size of a visitor's clips."""
        with self._lock:
            if id(classroom) not in self._bytes:
                weakref.finalize(classroom, self._bytes.pop, id(classroom), None)
            self._bytes[id(classroom)] = classroom.size

    @property
    def bytes(self) -> int:
        with self._lock:
            return sum(self._bytes.values())


@st.cache_resource(show_spinner=False)
def classroom_memory() -> ClassroomMemory:
    return ClassroomMemory(TEACH_MEGABYTES * 1_000_000)


def current_classroom() -> Classroom:
    return st.session_state.setdefault("classroom", Classroom())
