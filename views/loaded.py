"""What all visitors share: the networks, loaded once a process, and the features of recent clips.

A clip is known by the SHA-256 of its bytes, so the same clip sent twice, or by two visitors, is encoded once. Kept of
it are its features and small JPEGs of the frames that were read (about 1 MB), never the file.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import streamlit as st

from pipeline.action import ActionModel, ActionStep, load_action
from pipeline.caption import Caption, CaptionModel, load_caption
from pipeline.digits import DigitReader, load_digits
from pipeline.encoder import Encoder, FrameFeatures, grid, load_encoder
from pipeline.language import LanguageModel, load_language
from pipeline.media import Clip, read_clip

CELL_NAMES = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}
CLIPS_KEPT = 64  # about 64 MB
FRAMES_KEPT = 64  # of clips whose single frames are described: 0.3 MB each
SHOWN_HEIGHT = 360  # pixels, of the JPEGs that are kept to look at

Progress = Callable[[float, str], None]  # share done in 0..1, what is happening now


@st.cache_resource(show_spinner=False)
def encoder() -> Encoder:
    return load_encoder()


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
    """A clip after the CNN: all that any page needs of it. ``steps`` and ``told`` fill up, one entry for each network
    that read it."""

    digest: str
    kind: Literal["video", "photo", "folder"]
    duration: float  # seconds
    features: tuple[FrameFeatures, ...]
    pictures: tuple[bytes, ...]  # JPEG, one a frame
    mime: str | None  # under which a browser plays the file itself, if it can
    regions: np.ndarray | None  # (R, D), of a photo
    steps: dict[str, tuple[ActionStep, ...]] = field(default_factory=dict)
    told: dict[tuple[str, int], list[Caption]] = field(default_factory=dict)

    def read_with(self, cell: str) -> tuple[ActionStep, ...]:
        """Every step of the recogniser with this cell; a few milliseconds the first time, then nothing."""
        if cell not in self.steps:
            self.steps[cell] = tuple(action_model(cell).read(self.features))
        return self.steps[cell]

    def told_with(self, cell: str, width: int) -> list[Caption]:
        """What the clip captioner with this cell says after every frame, by beam search of this width."""
        if (cell, width) not in self.told:
            model = caption_model("clip", cell)
            features = np.stack([frame.features for frame in self.features])
            self.told[cell, width] = model.evolve(model.look(features[None]), width)
        return self.told[cell, width]


class RecentClips:
    """The last CLIPS_KEPT encoded clips by digest; the one that was not used for longest goes first."""

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
            while len(self._clips) > CLIPS_KEPT:
                self._clips.popitem(last=False)


@st.cache_resource(show_spinner=False)
def recent_clips() -> RecentClips:
    return RecentClips()


def encoded_clip(data: bytes, name: str, progress: Progress) -> EncodedClip:
    """The clip with these bytes, from memory or freshly read. ``name`` is only used to speak of it.

    Raises MediaError if it cannot be read.
    """
    digest = hashlib.sha256(data).hexdigest()
    known = recent_clips().get(digest)
    if known is None:
        known = _encode(digest, data, name, progress)
        recent_clips().put(known)
    return known


def _encode(digest: str, data: bytes, name: str, progress: Progress) -> EncodedClip:
    progress(0.0, "Opening the file")
    with tempfile.TemporaryDirectory(prefix="unroll-") as folder:
        path = Path(folder) / "upload"  # a name of ours: the visitor's never becomes part of a path
        path.write_bytes(data)
        clip = read_clip(path, name=name)
    progress(0.05, "Waking the network")
    features, regions = [], None
    if clip.kind == "photo":
        seen = encoder().encode([clip.frames[0].image])
        features, regions = [FrameFeatures(0, 0.0, seen.features[0])], seen.maps[0]
    else:
        for done, frame in enumerate(encoder().encode_frames(clip.frames), 1):
            features.append(frame)
            progress(done / len(clip.frames), f"Reading frame {done} of {len(clip.frames)}")
    return EncodedClip(digest, clip.kind, clip.duration, tuple(features), _pictures(clip), clip.mime, regions)


@st.cache_data(show_spinner=False, max_entries=FRAMES_KEPT)
def frame_regions(digest: str, index: int, _clip: EncodedClip) -> tuple[np.ndarray, tuple[int, int]]:
    """The regions (R, D) of one frame of the clip with this digest, and how many rows and columns they stand in."""
    picture = cv2.imdecode(np.frombuffer(_clip.pictures[index], np.uint8), cv2.IMREAD_COLOR_RGB)
    if _clip.regions is not None:
        return _clip.regions, grid(picture)
    return encoder().encode([picture]).maps[0], grid(picture)


def _pictures(clip: Clip) -> tuple[bytes, ...]:
    return tuple(_jpeg(frame.image) for frame in clip.frames)


def _jpeg(image: np.ndarray) -> bytes:
    height, width = image.shape[:2]
    if height > SHOWN_HEIGHT:
        size = (max(1, width * SHOWN_HEIGHT // height), SHOWN_HEIGHT)
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
