"""Inside: all values of the cell while it reads the visitor's clip."""

from __future__ import annotations

import numpy as np
import streamlit as st

from pipeline.analysis.cell_trace import Trace, gate_terms, trace, unit_contributions, unit_order
from pipeline.analysis.feature_maps import MAPS_PER_LAYER, class_activation_map
from pipeline.models.action import NO_ACTION, ActionModel
from views.components import caption_figure, cell_figure
from views.components.feature_map_strip import feature_map_strip
from views.components.input_controls import controls
from views.session.clip_area import clip_area, load_or_encode
from views.session.encoded_clip import EncodedClip
from views.session.replays import clip_reading, frame_regions, input_sensitivity, layer_maps
from views.session.taught import RECOGNISER_NAMES, recogniser
from views.session.visit import current_visit

SHOWN = "hcfiogzrn"  # the parts of the three cells, in the order of their strips
TOP_UNITS = 5  # units with the largest contributions, and as many with the smallest


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
    model, reading = recogniser(cell), clip_reading(clip, cell)
    st.subheader("Unrolled", anchor=False)
    cell_figure.unrolled(clip, sum(p.numel() for p in model.network.cell.parameters()))
    traced = trace(model.network.cell, model.cell_inputs(clip.features))
    order = unit_order(traced.activations["h"])
    st.subheader("What it remembers", anchor=False)
    activations = {name: traced.activations[name][:, order] for name in SHOWN if name in traced.activations}
    sensitivity = {RECOGNISER_NAMES[name]: input_sensitivity(clip, name) for name in current_visit().recognisers}
    cell_figure.strips(clip, activations, [each.text for each in reading.answers], sensitivity)
    about_label(clip, cell, traced, [name for name, _ in reading.prediction.ranked if name != NO_ACTION])


@st.fragment
def about_label(clip: EncodedClip, cell: str, traced: Trace, labels: list[str]) -> None:
    """What supports one label: units of the cell, regions of a frame."""
    model = recogniser(cell)
    st.subheader("Which hidden units support the label", anchor=False)
    label = st.selectbox("label", labels, key=f"label-{clip.digest[:8]}-{cell}")
    top_units(clip, model, traced, label)
    st.subheader("Which image regions support the label", anchor=False)
    class_activation(clip, model, label)


def top_units(clip: EncodedClip, model: ActionModel, traced: Trace, label: str) -> None:
    """The units with the largest contributions at every step, and the terms of each one's gates."""
    contributions = unit_contributions(model.network.readout, traced.activations["h"], model.actions.index(label))
    strongest, terms = [], []
    for step, row in enumerate(contributions):
        order = np.argsort(-row)
        units = [*order[:TOP_UNITS].tolist(), *order[-TOP_UNITS:].tolist()]
        strongest.append([(unit, float(row[unit])) for unit in units])
        terms.append({unit: gate_terms(model.network.cell, traced, step, unit) for unit in units})
    cell_figure.units(clip, label, strongest, terms)


def class_activation(clip: EncodedClip, model: ActionModel, label: str) -> None:
    """Class activation map of one frame."""
    left, right = st.columns([6, 5], gap="large")
    count = len(clip.features)
    frame = right.slider("frame", 1, count, count // 2 + 1, key=f"evidence-frame-{count}") - 1 if count > 1 else 0
    name = model.image_label(label)
    if name is None:
        right.markdown(f"The CNN of single frames has no word for **{label}**: only motion can tell it.")
        return
    regions, grid = frame_regions(clip, frame)
    evidence = class_activation_map(model.network.image_opinion, regions, model.image_labels.index(name))
    with left:
        caption_figure.photo(
            clip.digest, f"{clip.digest}-{frame}-{name}", clip.pictures[frame], grid, np.maximum(evidence, 0)
        )
    right.markdown(
        f"Bright regions support **{name}** in this frame by itself. The CNN's score is the sum over its "
        f"{len(evidence)} regions: {evidence.clip(0).sum():+.2f} for the label and {evidence.clip(max=0).sum():+.2f} "
        "against it."
    )
    st.caption(
        "The feature maps of five layers for this frame: first edges and colours, later parts of objects, with less "
        f"and less detail about their place. Of each layer, the {MAPS_PER_LAYER} maps that vary most."
    )
    for name, layer in layer_maps(clip, frame).items():
        feature_map_strip(name, layer)
