"""Watch: the action label of a clip, after every frame."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pipeline.analysis import segments, what_if
from pipeline.analysis.confidence import NOT_SURE
from pipeline.analysis.reading import ClipReading, Prediction, read_features
from views.components import clip_figure
from views.session import browser_copy
from views.session.clip_area import clip_area, load_beside, load_or_encode
from views.session.encoded_clip import EncodedClip
from views.session.input_controls import controls
from views.session.replays import captions_per_frame, clip_reading
from views.session.resources import encoder
from views.session.taught import recogniser
from views.session.visit import Visit


def page() -> None:
    st.title("What are they doing?")
    st.markdown(
        "A CNN sees one frame at a time; a recurrent network remembers. Drop in a clip or a photo and watch its "
        "answer form, frame by frame."
    )
    visit = controls()
    with clip_area(visit):
        player, place, clip = load_beside(visit, "answer")
        if clip is not None:
            watch(clip, visit, player, place)


def watch(clip: EncodedClip, visit: Visit, player: DeltaGenerator, place: DeltaGenerator) -> None:
    """Everything about one clip: the player and the answer in their places, the rest below them."""
    reading = clip_reading(clip, visit.cell)
    with player, st.container(key="player"):
        screen, note = st.empty(), st.empty()
    with screen.container():
        play(clip, visit)
    with place:
        clip_figure.verdict(clip, reading, captions_per_frame(clip, visit.cell))
    if len(reading.steps) > 1:
        clip_figure.timeline(clip, reading, recogniser(visit.cell))
    else:
        st.caption("A photo is a clip of one frame: the network takes one step, and there is nothing yet to remember.")
    st.subheader("Letter by letter", anchor=False)
    clip_figure.letters(clip, reading)
    if clip.duration >= segments.LONG_CLIP_SECONDS:
        st.subheader("Piece by piece", anchor=False)
        longer = load_or_encode(visit, segments.STEPS)
        if longer is not None:
            clip_figure.segments(clip, longer, recogniser(visit.cell), encoder().video, reading)
    if len(reading.steps) > 1:
        what_if_section(clip, visit.cell)
    if clip.kind == "video" and not clip.mime:
        browser_copy.offer_browser_copy(visit, clip.duration, screen, note)


def play(clip: EncodedClip, visit: Visit) -> None:
    """The clip in the browser's player, or its frames where no player can show it."""
    file = visit.clip_file()
    data = file.data if file and clip.mime else browser_copy.known_copy(visit)
    if data:
        st.video(data, format=clip.mime or browser_copy.MIME, muted=True)
    else:
        clip_figure.stage(clip)


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
