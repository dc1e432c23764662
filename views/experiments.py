"""Experiments on a clip that was read: the frames that decided, the memory operated on, the frames in another order.

Each is answered from the features of the clip; no image is encoded again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import streamlit as st

from pipeline.analysis import what_if
from pipeline.analysis.confidence import NOT_SURE
from pipeline.analysis.deciding_frames import in_words as frames_in_words
from pipeline.analysis.memory_edits import read_edited, steps_held, steps_until_settled
from pipeline.analysis.reading import ClipReading, Prediction, read_features
from pipeline.media.samples import SAMPLES
from pipeline.models.encoder import FrameFeatures
from pipeline.models.recurrent import CELLS
from pipeline.sandbox.messages import MediaError
from views.components import clip_figure
from views.components.memory_strip import Edit, current_edit, memory_strip
from views.hosting.job_queue import QueueFullError
from views.session.encode_upload import encoded_clip
from views.session.encoded_clip import EncodedClip
from views.session.replays import clip_reading, decided_by
from views.session.resources import CELL_NAMES, action_model, encoder
from views.session.taught import recogniser
from views.session.visit import sample_file

# ── The frames that decided ──────────────────────────────────────────────────────────────────────────────────────

NOTHING_DECIDES = "Every frame says the same; memory was not needed here."


@st.fragment
def what_would_change(clip: EncodedClip, cell: str) -> None:
    """A smallest set of frames without which another label would lead, lifted out of the film strip."""
    asked = f"deciding-{clip.digest[:8]}"
    if st.button("What would change its mind?", icon=":material/psychology_alt:", key="deciding"):
        st.session_state["decided"] = asked
    if st.session_state.get("decided") != asked:
        return
    found = decided_by(clip, cell)
    if found is None:
        clip_figure.deciding(clip, (), NOTHING_DECIDES)
        return
    said = found.without.label if found.without.is_sure else f"{NOT_SURE}, and rather {found.without.label}"
    clip_figure.deciding(clip, found.frames, f"Without {frames_in_words(found.frames)} it would have said {said}.")


# ── Operations on the memory ─────────────────────────────────────────────────────────────────────────────────────

STRIP = 24  # frames on the strip at most: of a longer clip every second one, every third, and so on
GLUE = 8  # frames of the second clip
HELD = 6  # times that the first frame is shown again


class Tape(NamedTuple):
    """The frames that the strip can hold: those of the clip, then those of the glued one."""

    frames: tuple[FrameFeatures, ...]
    pictures: tuple[bytes, ...]
    own: int  # how many are of the clip itself


@st.fragment
def operate_on_memory(clip: EncodedClip) -> None:
    """Scissors, glue and drag: the frames as the visitor lays them, read by all three cells."""
    st.subheader("Operate on its memory", anchor=False)
    own = thinned(clip)
    chosen, glue = choose_experiment(clip, own)
    if chosen is None:
        st.caption("Choose an experiment: the strip opens, and you can go on from there by hand.")
        return
    tape = with_glue(own, glue) if glue else own
    begin = ready_edit(chosen, tape)
    key = f"memory-{clip.digest[:8]}-{glue}"
    edit = current_edit(key, len(tape.frames), begin)
    read = readings(tape, edit)
    st.markdown(finding(tape, edit, read))
    rows = [(CELL_NAMES[c], r.leading, [answer.text for answer in r.answers]) for c, r in read.items()]
    memory_strip(key, tape.pictures, begin, edit, rows)
    st.caption(
        "Choose a frame; cut, double, delete or move it, by the buttons or by dragging. All three cells read the strip "
        "again at once. What the video CNN saw in a frame stays as it was in its own clip."
    )


CUT, GLUED, DOUBLED, MOVED = "forget half-way", "go on with another clip", "hold the first frame", "the end first"


def choose_experiment(clip: EncodedClip, own: Tape) -> tuple[str | None, str]:
    """A ready experiment, and the name of the sample that is glued on, "" for none."""
    left, right = st.columns([3, 1], gap="medium", vertical_alignment="bottom")
    ways = [CUT, GLUED, DOUBLED, MOVED] if own.own > 1 else [GLUED, DOUBLED]
    chosen = left.pills("ready experiments", ways, key="operation", label_visibility="collapsed")
    videos = [
        name for name, sample in SAMPLES.items() if not sample.is_photo and sample_file(name).digest != clip.digest
    ]
    if chosen != GLUED:
        return chosen, ""
    return chosen, right.selectbox("glue on", videos, key="glue", persist_state="session") or videos[0]


def ready_edit(chosen: str | None, tape: Tape) -> Edit:
    """The frames as an experiment begins."""
    order, half = tuple(range(tape.own)), tape.own // 2
    if chosen == CUT:
        return Edit(order, (half,))
    if chosen == GLUED:
        return Edit(tuple(range(len(tape.frames))), ())
    if chosen == DOUBLED:
        return Edit((0,) * HELD + order, ())
    if chosen == MOVED:
        return Edit(order[half:] + order[:half], ())
    return Edit(order, ())


def thinned(clip: EncodedClip) -> Tape:
    every = -(-len(clip.features) // STRIP)
    frames, pictures = clip.features[::every], clip.pictures[::every]
    return Tape(frames, pictures, len(frames))


def with_glue(tape: Tape, name: str) -> Tape:
    """The tape with the first frames of a sample."""
    try:
        with st.spinner(f"Reading {name}"):
            other = thinned(encoded_clip(sample_file(name), "lstm", lambda *_: None))
    except (MediaError, QueueFullError) as error:
        st.caption(str(error))
        return tape
    return Tape(tape.frames + other.frames[:GLUE], tape.pictures + other.pictures[:GLUE], tape.own)


def readings(tape: Tape, edit: Edit) -> dict[str, ClipReading]:
    """The reading of each cell."""
    frames = [tape.frames[k] for k in edit.order]
    return {cell: read_edited(action_model(cell), encoder().video, frames, edit.cuts) for cell in CELLS}


def finding(tape: Tape, edit: Edit, read: Mapping[str, ClipReading]) -> str:
    """What the operation did to each cell, in a sentence or two."""
    joins = [k for k in range(1, len(edit.order)) if (edit.order[k] < tape.own) != (edit.order[k - 1] < tape.own)]
    ends = f"In the end {listed(f'the {CELL_NAMES[c]} says {in_words(r.prediction)}' for c, r in read.items())}."
    if edit.cuts:
        cut = edit.cuts[0]
        needed = (f"the **{CELL_NAMES[c]}** {frames(steps_until_settled(r, cut))}" for c, r in read.items())
        return f"After the cut, until its last label stood, {listed(needed)} were needed. {ends}"
    if joins:
        held = (held_words(CELL_NAMES[c], r, joins[0]) for c, r in read.items())
        return f"After the join {listed(held)}. {ends}"
    return ends


def held_words(cell: str, reading: ClipReading, border: int) -> str:
    held = steps_held(reading, border)
    label = reading.leading[border - 1]
    return f"the **{cell}** still said {label} for {frames(held)}" if held else f"the **{cell}** left {label} at once"


def frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count} frames"


def listed(parts: Iterable[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


# ── Another order ────────────────────────────────────────────────────────────────────────────────────────────────


@st.fragment
def what_if_section(clip: EncodedClip, cell: str) -> None:
    """The same frames in another order, read by the same cell."""
    count = len(clip.features)
    st.subheader("What if the clip were played …", anchor=False)
    ways = ["backwards", "shuffled", "frozen at its first frame", "without every n-th frame", "with a gap"]
    left, right = st.columns([3, 2], gap="large", vertical_alignment="bottom")
    way = left.pills(
        "What if the clip were played", ways, key="what-if", label_visibility="collapsed", persist_state="session"
    )
    with right:
        order = reordered(way, count)
    if way is None or order is None:
        return
    reading = clip_reading(clip, cell)
    other = read_features(recogniser(cell), what_if.reorder(encoder(), clip.features, order), clip.duration)
    st.markdown(difference(way, reading, other))
    clip_figure.comparison(clip, reading, other, order)
    if clip.kind == "video":
        st.caption(
            "The video CNN reads the frames again in this order, so backwards everything moves backwards. That takes "
            "some tenths of a second of processor time; the appearance of each frame is known already."
        )


def reordered(way: str | None, count: int) -> list[int] | None:
    """The frame to read at each step, after the controls of this way; None if no way is chosen."""
    if way == "backwards":
        return what_if.backwards(count)
    if way == "shuffled":
        return what_if.shuffled(count)
    if way == "frozen at its first frame":
        return what_if.frozen(count)
    if way == "without every n-th frame":
        return what_if.drop_every_nth(count, st.slider("n", 2, max(3, count // 2), 2, key=f"every-{count}"))
    if way == "with a gap":
        first, last = st.slider("frames not read", 1, count, (2, max(2, count // 2)), key=f"gap-{count}")
        if (first, last) == (1, count):
            last -= 1  # something must be left to read
        return what_if.without_span(count, first - 1, last - 1)
    return None


def difference(way: str, reading: ClipReading, other: ClipReading) -> str:
    """What the other order did to the prediction, in a sentence or two."""
    compared = f"Played this way: {in_words(other.prediction)}. As it is: {in_words(reading.prediction)}."
    distance = what_if.total_variation(reading.probabilities[-1], other.probabilities[-1])
    if distance < what_if.ORDER_MATTERS and way in ("backwards", "shuffled"):
        return compared + " The order of the frames does not matter for this clip."
    return compared


def in_words(prediction: Prediction) -> str:
    if prediction.is_confident:
        count = len(prediction.answer.parts)
        of_parts = f", the sum of {count} labels" if count else ""
        return f"**{prediction.label}** ({prediction.probability:.2f}{of_parts})"
    if prediction.answer.is_unknown:
        nearest = f"{prediction.label} {prediction.answer.probability_if_known:.2f}"
        return f"**{NOT_SURE}** (nearest: {nearest}, but it looks like nothing that was learned)"
    return f"**{NOT_SURE}** ({prediction.probability:.2f} {prediction.label})"
