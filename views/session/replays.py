"""What is computed from the features of an encoded clip: once for each clip and cell, and kept for all visitors.

Each result is small (a reading 40 KB, captions 150 KB), and the number of each is bounded.
"""

from __future__ import annotations

import numpy as np
import streamlit as st

from pipeline.analysis import cell_trace
from pipeline.analysis.reading import ClipReading, read_features
from pipeline.models.caption import BEAM, Caption, captioner_for
from pipeline.models.encoder import grid
from views.session.encoded_clip import EncodedClip
from views.session.resources import action_model, caption_model, encoder

READINGS_KEPT = 200
CAPTIONS_KEPT = 60
FRAMES_KEPT = 64  # frames whose regions are kept: 0.3 MB each


def clip_reading(clip: EncodedClip, cell: str) -> ClipReading:
    """The predictions of the recogniser with this cell."""
    return _clip_reading(clip.digest, cell, clip)


def captions_per_frame(clip: EncodedClip, cell: str) -> list[Caption]:
    """The caption after every frame, by beam search of width BEAM."""
    return _captions_per_frame(clip.digest, cell, clip)


def input_sensitivity(clip: EncodedClip, cell: str) -> np.ndarray:
    """How much the recogniser's last state depends on each frame, (T,); see analysis/cell_trace.py."""
    return _input_sensitivity(clip.digest, cell, clip)


def frame_regions(clip: EncodedClip, index: int) -> tuple[np.ndarray, tuple[int, int]]:
    """The region features (R, D) of one frame, and the rows and columns of its regions."""
    return _frame_regions(clip.digest, index, clip)


@st.cache_resource(show_spinner=False, max_entries=READINGS_KEPT)
def _clip_reading(digest: str, cell: str, _clip: EncodedClip) -> ClipReading:
    return read_features(action_model(cell), _clip.features, _clip.duration)


@st.cache_resource(show_spinner=False, max_entries=CAPTIONS_KEPT)
def _captions_per_frame(digest: str, cell: str, _clip: EncodedClip) -> list[Caption]:
    model = caption_model(captioner_for(_clip.kind), cell)
    return model.captions_per_frame(model.encode(_clip.features), BEAM)


@st.cache_resource(show_spinner=False, max_entries=READINGS_KEPT)
def _input_sensitivity(digest: str, cell: str, _clip: EncodedClip) -> np.ndarray:
    model = action_model(cell)
    return cell_trace.input_sensitivity(model.network.cell, model.cell_inputs(_clip.features))


@st.cache_resource(show_spinner=False, max_entries=FRAMES_KEPT)
def _frame_regions(digest: str, index: int, _clip: EncodedClip) -> tuple[np.ndarray, tuple[int, int]]:
    picture = _clip.picture(index)
    if (regions := _clip.features[index].regions) is not None:
        return regions, grid(picture)
    return encoder().encode([picture]).maps[0], grid(picture)
