"""Inside: what h = f(h, x) computes while it reads the visitor's own clip."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pipeline.analysis import reading
from pipeline.analysis.cell_trace import GateTerms, Trace, gate_terms, trace, unit_contributions, unit_order
from pipeline.analysis.feature_maps import MAPS_PER_LAYER, class_activation_map, feature_maps
from pipeline.canvas import fit_to_canvas
from pipeline.models.action import ActionModel
from pipeline.models.efficientnet_lite import EfficientNetLite0
from pipeline.models.recurrent import CELLS
from views.components import caption_figure, cell_figure
from views.components.feature_map_strip import feature_map_strip
from views.session.clip_area import clip_area, load_or_encode
from views.session.encoded_clip import FRAMES_KEPT, EncodedClip, action_steps, frame_regions, sensitivity
from views.session.input_controls import controls
from views.session.resources import CELL_NAMES, action_model, encoder

SHOWN = "hcfiogzrn"  # the parts of the three cells, in the order of their strips
SPEAKERS = 5  # units shown for, and as many against


def page() -> None:
    st.title("Inside the cell")
    st.markdown(
        "One function, used again at every frame: it takes what it saw and what it remembers, and makes what it will "
        "remember. Here is everything it computes on your clip."
    )
    visit = controls()
    with clip_area(visit):
        clip = load_or_encode(visit)
        if clip is not None:
            look_inside(clip, visit.cell)


def look_inside(clip: EncodedClip, cell: str) -> None:
    """Everything about one clip."""
    model = action_model(cell)
    steps = action_steps(clip, cell)
    st.subheader("Unrolled", anchor=False)
    cell_figure.unrolled(clip, sum(p.numel() for p in model.network.cell.parameters()))
    found = trace(model.network.cell, model.cell_inputs(clip.features))
    order = unit_order(found.activations["h"])
    st.subheader("What it remembers", anchor=False)
    parts = {name: found.activations[name][:, order] for name in SHOWN if name in found.activations}
    curves = {CELL_NAMES[name]: sensitivity(clip, name) for name in CELLS}
    cell_figure.strips(clip, parts, reading.answers(model, steps), curves)
    about_label(clip, cell, found, [name for name, _ in reading.verdict(model, steps).ranked])


@st.fragment
def about_label(clip: EncodedClip, cell: str, found: Trace, labels: list[str]) -> None:
    """What speaks for one label: units of the cell, regions of a frame."""
    model = action_model(cell)
    st.subheader("Which hidden units support the label", anchor=False)
    label = st.selectbox("label", labels, key=f"label-{clip.digest[:8]}-{cell}")
    units_section(clip, model, cell, found, label)
    st.subheader("Which image regions support the label", anchor=False)
    class_activation(clip, model, label)


def units_section(clip: EncodedClip, model: ActionModel, cell: str, found: Trace, label: str) -> None:
    """The strongest votes at every step, and the arithmetic of each unit that casts one."""
    shares = unit_contributions(model.network.readout, found.activations["h"], model.labels.index(label))
    strongest, sums = [], []
    for step, row in enumerate(shares):
        order = np.argsort(-row)
        chosen = [*order[:SPEAKERS].tolist(), *order[-SPEAKERS:].tolist()]
        strongest.append([(unit, float(row[unit])) for unit in chosen])
        told: dict[int, list[GateTerms]] = {unit: gate_terms(model.network.cell, found, step, unit) for unit in chosen}
        sums.append(told)
    cell_figure.units(clip, label, strongest, sums)


def class_activation(clip: EncodedClip, model: ActionModel, label: str) -> None:
    """Class activation map of one frame."""
    left, right = st.columns([6, 5], gap="large")
    count = len(clip.features)
    frame = right.slider("frame", 1, count, count // 2 + 1, key=f"evidence-frame-{count}") - 1 if count > 1 else 0
    regions, grid = frame_regions(clip.digest, frame, clip)
    evidence = class_activation_map(model.network.frame_evidence, regions, model.labels.index(label))
    with left:
        caption_figure.photo(
            clip.digest, f"{clip.digest}-{frame}-{label}", clip.pictures[frame], grid, np.maximum(evidence, 0)
        )
    right.markdown(
        f"Bright is where the frame, taken by itself, spoke for **{label}**: the CNN's score is the sum of what its "
        f"{len(evidence)} regions say, here {evidence.clip(0).sum():+.2f} for and {evidence.clip(max=0).sum():+.2f} "
        "against."
    )
    st.caption(
        "On the way there, what five layers make of this frame: near the first one edges and colours, further on "
        f"parts of things, with less and less of where they stood. Of each, the {MAPS_PER_LAYER} planes that vary most."
    )
    for name, layer in layer_planes(clip.digest, frame, clip).items():
        feature_map_strip(name, layer)


@st.cache_data(show_spinner=False, max_entries=FRAMES_KEPT)
def layer_planes(digest: str, index: int, _clip: EncodedClip) -> dict[str, np.ndarray]:
    """The feature maps of one frame of the clip with this digest."""
    backbone = encoder().backbone
    assert isinstance(backbone, EfficientNetLite0)  # the backbone that ships
    return feature_maps(backbone, fit_to_canvas(_clip.picture(index)))
