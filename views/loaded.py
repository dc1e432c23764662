"""What all visitors share: the networks, loaded once a process, and the features of recent clips.

A clip is known by the SHA-256 of its bytes, so the same clip sent twice, or by two visitors, is encoded once. Kept of
it are its features and small JPEGs of the frames that were read (half a megabyte or so), never the file.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
import streamlit as st

from pipeline.account import data_uri
from pipeline.action import ActionModel, ActionStep, load_action
from pipeline.caption import Caption, CaptionModel, load_caption
from pipeline.clip import unpacked
from pipeline.digits import DigitReader, load_digits
from pipeline.encoder import Encoder, FrameFeatures, grid, load_encoder
from pipeline.inside import memory
from pipeline.language import LanguageModel, load_language
from pipeline.limits import JOBS_AT_ONCE, LONGEST_LINE
from pipeline.media import MAX_STEPS
from views.memory import give_back
from views.turns import Turns

CELL_NAMES = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}
BEAM = 3  # sentences kept while a clip is described after each of its frames
BYTES_KEPT = 48_000_000  # of recent clips: some 70 short ones, or some 24 of a minute and more
FRAMES_KEPT = 64  # of clips whose single frames are described: 0.3 MB each


@st.cache_resource(show_spinner=False)
def encoder() -> Encoder:
    loaded = load_encoder()
    give_back()
    return loaded


@st.cache_resource(show_spinner=False)
def action_model(cell: str) -> ActionModel:
    return load_action(cell)


@st.cache_resource(show_spinner=False)
def caption_model(kind: str, cell: str) -> CaptionModel:
    return load_caption(kind, cell)


@st.cache_resource(show_spinner=False)
def language_model(name: str, cell: str) -> LanguageModel:
    return load_language(name, cell)


@st.cache_resource(show_spinner=False)
def digit_reader() -> DigitReader:
    return load_digits()


@dataclass(frozen=True)
class EncodedClip:
    """A clip after the CNN: all that any page needs of it. ``digest`` names it; ``steps``, ``told`` and ``kept`` fill
    up, one entry for each cell that read it."""

    digest: str
    kind: Literal["video", "photo", "folder"]
    duration: float  # seconds
    features: tuple[FrameFeatures, ...]
    pictures: tuple[bytes, ...]  # JPEG, one a frame; none of a closer look, which nobody sees
    mime: str | None  # under which a browser plays the file itself, if it can
    regions: np.ndarray | None  # (R, D), of a photo
    steps: dict[str, tuple[ActionStep, ...]] = field(default_factory=dict)
    told: dict[str, list[Caption]] = field(default_factory=dict)
    kept: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def data_uris(self) -> list[str]:
        """The pictures as the browser takes them; not kept, for they would double what a clip takes."""
        return [data_uri(picture) for picture in self.pictures]

    @property
    def size(self) -> int:
        """Bytes of its pictures and arrays."""
        arrays = [array for frame in self.features for array in (frame.features, frame.motion)] + [self.regions]
        return sum(map(len, self.pictures)) + sum(array.nbytes for array in arrays if array is not None)

    def picture(self, index: int) -> np.ndarray:
        """One frame, (H, W, 3) uint8 RGB, small."""
        return unpacked(self.pictures[index])

    def read_with(self, cell: str) -> tuple[ActionStep, ...]:
        """Every step of the recogniser with this cell; a few milliseconds the first time, then nothing."""
        if cell not in self.steps:
            self.steps[cell] = tuple(action_model(cell).read(self.features))
        return self.steps[cell]

    def remembered_by(self, cell: str) -> np.ndarray:
        """How much the recogniser's last state with this cell still depends on each frame, (T,); see inside.memory."""
        if cell not in self.kept:
            model = action_model(cell)
            self.kept[cell] = memory(model.network.cell, model.inputs(self.features))
        return self.kept[cell]

    def told_with(self, cell: str) -> list[Caption]:
        """What the captioner with this cell says after every frame, by beam search of width BEAM."""
        if cell not in self.told:
            model = caption_model("clip" if self.regions is None else "photo", cell)
            frames = np.stack([frame.features for frame in self.features])
            scene = model.look((frames if self.regions is None else self.regions)[None])
            self.told[cell] = model.evolve(scene, BEAM)
        return self.told[cell]


class RecentClips:
    """Encoded clips by digest, BYTES_KEPT together; the one that was not used for longest goes first."""

    def __init__(self) -> None:
        self._clips: OrderedDict[str, EncodedClip] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: str) -> EncodedClip | None:
        with self._lock:
            if digest in self._clips:
                self._clips.move_to_end(digest)
            return self._clips.get(digest)

    def put(self, clip: EncodedClip) -> None:
        with self._lock:
            self._clips[clip.digest] = clip
            while len(self._clips) > 1 and sum(kept.size for kept in self._clips.values()) > BYTES_KEPT:
                self._clips.popitem(last=False)


@st.cache_resource(show_spinner=False)
def recent_clips() -> RecentClips:
    return RecentClips()


@st.cache_resource(show_spinner=False)
def turns() -> Turns:
    return Turns(JOBS_AT_ONCE, LONGEST_LINE)


class Chosen(NamedTuple):
    """A file to read: its bytes, what to call it, and the SHA-256 that it is known by."""

    data: bytes
    name: str
    digest: str

    def key(self, max_steps: int) -> str:
        """What its clip is known by, if so many steps were read at most."""
        return self.digest if max_steps == MAX_STEPS else f"{self.digest}-{max_steps}"


@st.cache_data(show_spinner=False, max_entries=FRAMES_KEPT)
def frame_regions(digest: str, index: int, _clip: EncodedClip) -> tuple[np.ndarray, tuple[int, int]]:
    """The regions (R, D) of one frame of the clip with this digest, and how many rows and columns they stand in."""
    picture = _clip.picture(index)
    if _clip.regions is not None:
        return _clip.regions, grid(picture)
    return encoder().encode([picture]).maps[0], grid(picture)
