"""A clip with its features, and the clips that were encoded last."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

import numpy as np
import streamlit as st

from pipeline.media.clip import decode_jpeg
from pipeline.models.encoder import FrameFeatures
from pipeline.report.figure_data import data_uri

BYTES_KEPT = 48_000_000  # of recent clips: about 70 short ones, or about 24 of a minute and more


@dataclass(frozen=True)
class EncodedClip:
    """A clip after the CNN: all that the pages need of it. ``digest`` names it."""

    digest: str
    kind: Literal["video", "photo", "folder"]
    duration: float  # seconds
    features: tuple[FrameFeatures, ...]
    pictures: tuple[bytes, ...]  # JPEG, one a frame; none of a second reading with more frames
    mime: str | None  # under which a browser plays the file itself, if it can

    @property
    def data_uris(self) -> list[str]:
        """The pictures as the browser takes them; not kept, because they would double the size of a clip."""
        return [data_uri(picture) for picture in self.pictures]

    @property
    def size(self) -> int:
        """Bytes of its pictures and arrays."""
        arrays = [array for frame in self.features for array in (frame.appearance, frame.motion, frame.regions)]
        return sum(map(len, self.pictures)) + sum(array.nbytes for array in arrays if array is not None)

    def picture(self, index: int) -> np.ndarray:
        """The preview of one frame, (H, W, 3) uint8 RGB."""
        return decode_jpeg(self.pictures[index])


class RecentClips:
    """Encoded clips by digest, BYTES_KEPT together; the least recently used one is dropped first."""

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
            while len(self._clips) > 1 and sum(each.size for each in self._clips.values()) > BYTES_KEPT:
                self._clips.popitem(last=False)


@st.cache_resource(show_spinner=False)
def recent_clips() -> RecentClips:
    return RecentClips()
