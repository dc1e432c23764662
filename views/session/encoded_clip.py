"""A clip with its features, and the clips that were encoded last."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import streamlit as st

from pipeline.analysis.cell_trace import input_sensitivity
from pipeline.media.clip import decode_jpeg
from pipeline.models.action import ActionStep
from pipeline.models.caption import Caption
from pipeline.models.encoder import FrameFeatures, grid
from pipeline.report.figure_data import data_uri
from views.session.resources import BEAM, action_model, caption_model, encoder

BYTES_KEPT = 48_000_000  # of recent clips: some 70 short ones, or some 24 of a minute and more
FRAMES_KEPT = 64  # of clips whose single frames are described: 0.3 MB each


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
        arrays = [array for frame in self.features for array in (frame.appearance, frame.motion)] + [self.regions]
        return sum(map(len, self.pictures)) + sum(array.nbytes for array in arrays if array is not None)

    def picture(self, index: int) -> np.ndarray:
        """One frame, (H, W, 3) uint8 RGB, small."""
        return decode_jpeg(self.pictures[index])

    def action_steps(self, cell: str) -> tuple[ActionStep, ...]:
        """Every step of the recogniser with this cell; a few milliseconds the first time, then nothing."""
        if cell not in self.steps:
            self.steps[cell] = tuple(action_model(cell).predict(self.features))
        return self.steps[cell]

    def input_sensitivity(self, cell: str) -> np.ndarray:
        """How much the recogniser's last state with this cell still depends on each frame, (T,); see inside.memory."""
        if cell not in self.kept:
            model = action_model(cell)
            self.kept[cell] = input_sensitivity(model.network.cell, model.cell_inputs(self.features))
        return self.kept[cell]

    def captions(self, cell: str) -> list[Caption]:
        """What the captioner with this cell says after every frame, by beam search of width BEAM."""
        if cell not in self.told:
            model = caption_model("clip" if self.regions is None else "photo", cell)
            frames = np.stack([frame.appearance for frame in self.features])
            scene = model.encode((frames if self.regions is None else self.regions)[None])
            self.told[cell] = model.captions_per_frame(scene, BEAM)
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


@st.cache_data(show_spinner=False, max_entries=FRAMES_KEPT)
def frame_regions(digest: str, index: int, _clip: EncodedClip) -> tuple[np.ndarray, tuple[int, int]]:
    """The regions (R, D) of one frame of the clip with this digest, and how many rows and columns they stand in."""
    picture = _clip.picture(index)
    if _clip.regions is not None:
        return _clip.regions, grid(picture)
    return encoder().encode([picture]).maps[0], grid(picture)
