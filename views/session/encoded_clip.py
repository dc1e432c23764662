"""A clip with its features, and the clips that were encoded last."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal, TypeVar

import numpy as np
import streamlit as st

from pipeline.media.clip import decode_jpeg
from pipeline.models.encoder import FrameFeatures
from pipeline.report.figure_data import Film, film

T = TypeVar("T")

BYTES_KEPT = 96_000_000  # of recent clips: about 30 of four seconds, or about 10 of ten seconds and more


@dataclass(frozen=True)
class EncodedClip:
    """A clip after the CNN: everything that the pages compute from. ``digest`` names it."""

    digest: str
    kind: Literal["video", "photo", "folder"]
    duration: float  # seconds
    features: tuple[FrameFeatures, ...]
    pictures: tuple[bytes, ...]  # JPEG, one a frame; none of a second reading with more frames
    mime: str | None  # under which a browser plays the file itself, if it can

    @property
    def film(self) -> Film:
        """The film strip as the browser takes it; not kept, because it would add to the size of a clip."""
        return film(self.pictures)

    def picture(self, index: int) -> np.ndarray:
        """One frame, (H, W, 3) uint8 RGB, small."""
        return decode_jpeg(self.pictures[index])


class RecentClips:
    """Encoded clips by digest with the predictions made from them, together at most BYTES_KEPT; the least
    recently used clip is dropped first, with its predictions."""

    def __init__(self) -> None:
        self._clips: OrderedDict[str, EncodedClip] = OrderedDict()
        self._predictions: dict[str, dict[str, Any]] = {}  # by digest, then by what was computed
        self._bytes: dict[str, int] = {}  # of each clip and its predictions
        self._lock = threading.Lock()

    def get(self, digest: str) -> EncodedClip | None:
        with self._lock:
            if digest in self._clips:
                self._clips.move_to_end(digest)
            return self._clips.get(digest)

    def put(self, clip: EncodedClip) -> None:
        with self._lock:
            self._clips[clip.digest] = clip
            self._clips.move_to_end(clip.digest)
            self._predictions.setdefault(clip.digest, {})
            self._bytes.setdefault(clip.digest, data_bytes(clip))
            self._evict()

    def prediction(self, clip: EncodedClip, name: str, compute: Callable[[], T]) -> T:
        """What ``compute`` gives for the clip, kept under this name as long as the clip is kept."""
        with self._lock:
            known = self._predictions.get(clip.digest, {})
        if name not in known:
            computed = compute()
            with self._lock:
                if (kept := self._predictions.get(clip.digest)) is None:
                    return computed  # the clip went meanwhile
                kept[name] = computed
                self._bytes[clip.digest] += data_bytes(computed)
                self._evict()
                return computed
        return known[name]

    def _evict(self) -> None:
        while len(self._clips) > 1 and sum(self._bytes.values()) > BYTES_KEPT:
            digest, _ = self._clips.popitem(last=False)
            del self._predictions[digest], self._bytes[digest]


def data_bytes(value: object) -> int:
    """Bytes of all arrays, strings and byte strings in a value, in dataclasses, dicts and sequences too."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, str | bytes):
        return len(value)
    if is_dataclass(value):
        return sum(data_bytes(getattr(value, field.name)) for field in fields(value))
    if isinstance(value, dict):
        return sum(map(data_bytes, value.values()))
    return sum(map(data_bytes, value)) if isinstance(value, list | tuple) else 0


@st.cache_resource(show_spinner=False)
def recent_clips() -> RecentClips:
    return RecentClips()
