"""What is computed from an encoded clip, once for each clip and cell or frame, and kept as long as the clip."""

from __future__ import annotations

import numpy as np

from pipeline.analysis import cell_trace
from pipeline.analysis.deciding_frames import DecidingFrames, deciding_frames
from pipeline.analysis.feature_maps import feature_maps
from pipeline.analysis.reading import ClipReading, read_features
from pipeline.canvas import fit_to_canvas
from pipeline.models.caption import BEAM, Caption, captioner_for
from pipeline.models.efficientnet_lite import EfficientNetLite0
from pipeline.models.encoder import grid
from views.session.encoded_clip import EncodedClip, recent_clips
from views.session.resources import caption_model, encoder
from views.session.taught import caption_cell, recogniser, recogniser_key


def clip_reading(clip: EncodedClip, cell: str) -> ClipReading:
    """The predictions of the recogniser with this cell; some milliseconds the first time."""
    return recent_clips().prediction(
        clip, f"action {recogniser_key(cell)}", lambda: read_features(recogniser(cell), clip.features, clip.duration)
    )


def decided_by(clip: EncodedClip, cell: str) -> DecidingFrames | None:
    """The frames that decided the answer of the recogniser with this cell; None if every frame says the same."""
    return recent_clips().prediction(
        clip,
        f"deciding {recogniser_key(cell)}",
        lambda: deciding_frames(recogniser(cell), encoder().video, clip.features, clip.duration),
    )


def input_sensitivity(clip: EncodedClip, cell: str) -> np.ndarray:
    """How much the recogniser's last state depends on each frame, (T,); see analysis/cell_trace.py."""
    model = recogniser(cell)
    return recent_clips().prediction(
        clip,
        f"sensitivity {recogniser_key(cell)}",
        lambda: cell_trace.input_sensitivity(model.network.cell, model.cell_inputs(clip.features)),
    )


def captions_per_frame(clip: EncodedClip, cell: str) -> list[Caption]:
    """The caption after every frame that the captioner read, by beam search of width BEAM."""
    cell = caption_cell(cell)
    model = caption_model(captioner_for(clip.kind), cell)
    return recent_clips().prediction(
        clip, f"captions {cell}", lambda: model.captions_per_frame(model.encode(clip.features), BEAM)
    )


def frame_regions(clip: EncodedClip, index: int) -> tuple[np.ndarray, tuple[int, int]]:
    """The region features (R, D) of one frame, and the rows and columns of its regions."""
    picture = clip.picture(index)
    if (regions := clip.features[index].regions) is None:  # only photos are encoded with their regions
        regions = recent_clips().prediction(clip, f"regions {index}", lambda: encoder().encode([picture]).maps[0])
    return regions, grid(picture)


def layer_maps(clip: EncodedClip, index: int) -> dict[str, np.ndarray]:
    """The feature maps of one frame, by the layer's name; see analysis/feature_maps.py."""
    backbone = encoder().backbone
    assert isinstance(backbone, EfficientNetLite0), "the app loads no other backbone"
    image = fit_to_canvas(clip.picture(index))
    return recent_clips().prediction(clip, f"maps {index}", lambda: feature_maps(backbone, image))
