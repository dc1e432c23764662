"""The examples that a recogniser is taught from: the features of clips with their labels, and the limits on them.

Shapes: T steps, D = 1,280 features of an image, E = 480 features of motion, G = 504 numbers of the layout, L shipped
labels.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.limits import TEACH_CLIPS, TEACH_LABELS, TEACH_MINUTES
from pipeline.models.action import NO_ACTION, SOMETHING_ELSE, ActionModel
from pipeline.models.encoder import FrameFeatures

LONGEST_LABEL = 40  # characters


class TeachingError(Exception):
    """The labels or clips cannot be learned from; the message is one sentence."""


@dataclass(frozen=True)
class Example:
    """The features of one clip. Without ``motion`` (T, E) and ``layout`` (T, G) it is a photo or a folder of images.
    ``seen`` (L,) is what the shipped recogniser says of it. All are float16: an example takes 4.5 kB a frame."""

    label: str
    name: str  # of the file, for messages
    duration: float  # seconds
    appearance: np.ndarray  # (T, D)
    motion: np.ndarray | None
    layout: np.ndarray | None
    seen: np.ndarray

    @property
    def moves(self) -> bool:
        return self.motion is not None

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(part.nbytes for part in (self.appearance, self.motion, self.layout, self.seen) if part is not None)


def example_of(
    label: str, name: str, features: Sequence[FrameFeatures], duration: float, shipped: ActionModel
) -> Example:
    """A clip's features as an example; ``shipped`` is the recogniser whose labels may be the background."""
    *_, last = shipped.predict(features)
    motions = [frame.motion for frame in features if frame.motion is not None]
    moves = len(motions) == len(features)
    return Example(
        label,
        name,
        duration,
        half([frame.appearance for frame in features]),
        half([motion.features for motion in motions]) if moves else None,
        half([motion.layout for motion in motions]) if moves else None,
        half(last.probabilities),
    )


def half(rows: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    return np.asarray(rows, np.float32).clip(-6e4, 6e4).astype(np.float16)


def checked_label(text: str) -> str:
    """A label as it is shown: without control characters and superfluous spaces. Raises TeachingError."""
    kept = "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text)
    label = " ".join(kept.split())
    if not label:
        raise TeachingError("A label needs a name.")
    if len(label) > LONGEST_LABEL:
        raise TeachingError(f"A label has at most {LONGEST_LABEL} characters: {label[:LONGEST_LABEL]} … is longer.")
    if label in (NO_ACTION, SOMETHING_ELSE):
        raise TeachingError(f"“{label}” has a meaning of its own here; the label needs another name.")
    return label


def check_room(examples: Sequence[Example], label: str) -> None:
    """Raises TeachingError if another example of this label would be too many."""
    counts = Counter(each.label for each in examples)
    if label not in counts and len(counts) >= TEACH_LABELS:
        raise TeachingError(f"At most {TEACH_LABELS} labels can be taught.")
    if counts[label] >= TEACH_CLIPS:
        raise TeachingError(f"{label}: at most {TEACH_CLIPS} clips of a label are learned from.")
    if sum(each.duration for each in examples) >= 60 * TEACH_MINUTES:
        raise TeachingError(f"At most {TEACH_MINUTES} minutes of clips are learned from.")


def check_examples(examples: Sequence[Example]) -> list[str]:
    """The labels of the examples, in the order of their first ones. Raises TeachingError unless they can be taught."""
    labels = list(dict.fromkeys(each.label for each in examples))
    if len(labels) < 2:
        raise TeachingError("There must be at least two labels with a clip each: with one there is nothing to tell.")
    accepted: list[Example] = []
    for each in examples:
        checked_label(each.label)
        check_room(accepted, each.label)
        accepted.append(each)
    return labels


def seconds_of(examples: Iterable[Example]) -> float:
    return sum(each.duration for each in examples)
