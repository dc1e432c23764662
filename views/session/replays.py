"""What is computed from the features of an encoded clip, once for each clip and cell, and kept as long as the clip."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pipeline.analysis import cell_trace
from pipeline.analysis.reading import ClipReading, read_features
from pipeline.models.caption import BEAM, Caption, captioner_for
from pipeline.models.encoder import grid
from views.session.encoded_clip import EncodedClip, recent_clips
from views.session.resources import action_model, caption_model, encoder

FRAMES_KEPT = 64  # frames whose regions are kept: 0.3 MB each


def clip_reading(clip: EncodedClip, cell: str) -> ClipReading:
    """The predictions of the recogniser with this cell; some milliseconds the first time."""
    return recent_clips().prediction(
        clip, f"action {cell}", lambda: read_features(action_model(cell), clip.features, clip.duration)
    )


def input_sensitivity(clip: EncodedClip, cell: str) -> np.ndarray:
    """How much the recogniser's last state depends on each frame, (T,); see analysis/cell_trace.py."""
    model = action_model(cell)
    return recent_clips().prediction(
        clip,
        f"sensitivity {cell}",
        lambda: cell_trace.input_sensitivity(model.network.cell, model.cell_inputs(clip.features)),
    )


def captions_per_frame(clip: EncodedClip, cell: str) -> list[Caption]:
    """The caption after every frame, by beam search of width BEAM."""
    model = caption_model(captioner_for(clip.kind), cell)
    return recent_clips().prediction(
        clip, f"captions {cell}", lambda: model.captions_per_frame(model.encode(clip.features), BEAM)
    )


def frame_regions(clip: EncodedClip, index: int) -> tuple[np.ndarray, tuple[int, int]]:
    """The region features (R, D) of one frame, and the rows and columns of its regions."""
    return _frame_regions(clip.digest, index, clip)


@st.cache_data(show_spinner=False, max_entries=FRAMES_KEPT)
def _frame_regions(digest: str, index: int, _clip: EncodedClip) -> tuple[np.ndarray, tuple[int, int]]:
    picture = _clip.picture(index)
    if (regions := _clip.features[index].regions) is not None:
        return regions, grid(picture)
    return encoder().encode([picture]).maps[0], grid(picture)
