"""Watch: the action label of a clip, after every frame, while it is read."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pipeline.analysis import segments, what_if
from pipeline.analysis.confidence import NOT_SURE
from pipeline.analysis.reading import ClipReading, Prediction, answer_rule, read_features
from views.components import clip_figure
from views.components.input_controls import controls
from views.hosting.uploads import ClipFile
from views.session import browser_copy
from views.session.clip_area import clip_area, load_or_encode
from views.session.encode_upload import FrameRead
from views.session.encoded_clip import EncodedClip
from views.session.replays import captions_per_frame, clip_reading
from views.session.resources import action_model, encoder
from views.session.visit import Visit


class Places(NamedTuple):
    """Where the parts of the page stand, before anything is known of the clip, so that nothing moves when it comes."""

    status: DeltaGenerator  # progress and Stop while the clip is read, then the buttons to save it
    screen: DeltaGenerator
    note: DeltaGenerator  # under the player
    answer: DeltaGenerator
    timeline: DeltaGenerator
    feed: DeltaGenerator  # is not seen


def page() -> None:
    with st.container(key="title"):
        st.title("What are they doing?")
        st.markdown(
            "A CNN sees one frame at a time; a recurrent network remembers. Watch its answer form, frame by frame."
        )
    visit = controls()
    with clip_area(visit):
        places = lay_out()
        live = Live(visit, places)
        with places.status:
            clip = load_or_encode(visit, on_read=live.add)
        if clip is not None:
            watch(clip, visit, places, live)


def lay_out() -> Places:
    status = st.container(key="status")
    left, right = st.columns([6, 5], gap="large")
    with left, st.container(key="player"):
        screen, note = st.empty(), st.empty()
    return Places(
        status, screen, note, right.container(key="answer"), st.container(key="timeline"), st.container(key="feed")
    )


class Live:
    """Shows a clip while it is read: the player and the figure at once, and every frame as it comes."""

    def __init__(self, visit: Visit, places: Places) -> None:
        self._visit, self._places = visit, places
        self.figure: clip_figure.LiveReading | None = None

    def add(self, file: ClipFile, read: FrameRead) -> None:
        if self.figure is None:
            self.figure = self._begin(file, read)
        self.figure.add(read.step, read.alone, read.picture)

    def _begin(self, file: ClipFile, read: FrameRead) -> clip_figure.LiveReading:
        rule, places = answer_rule(action_model(self._visit.cell)), self._places
        figure = clip_figure.LiveReading(file.digest, rule, len(read.step.hidden), read.info, places.feed)
        with places.screen.container():
            if read.info.mime:
                play(file.data, read.info.mime)
            else:
                figure.mount("stage")
        with places.answer:
            figure.mount("verdict")
        with places.timeline:
            figure.mount("timeline")
        return figure


def watch(clip: EncodedClip, visit: Visit, places: Places, live: Live) -> None:
    """Everything about one clip that was read: in the places of the figure what it adds, the rest below."""
    reading, model = clip_reading(clip, visit.cell), action_model(visit.cell)
    if live.figure is None:
        show_reading(clip, visit, places, reading)
    else:
        live.figure.finish(clip, reading, model)
        live.figure.say(clip, captions_per_frame(clip, visit.cell))
    with st.expander("Letter by letter"):
        clip_figure.letters(clip, reading)
    if clip.duration >= segments.LONG_CLIP_SECONDS:
        st.subheader("Piece by piece", anchor=False)
        longer = load_or_encode(visit, segments.STEPS)
        if longer is not None:
            clip_figure.segments(clip, longer, model, encoder().video, reading)
    if len(reading.steps) > 1:
        what_if_section(clip, visit.cell)
    if clip.kind == "video" and not clip.mime:
        browser_copy.offer_browser_copy(visit, clip.duration, places.screen, places.note)


def show_reading(clip: EncodedClip, visit: Visit, places: Places, reading: ClipReading) -> None:
    """The whole figure of a clip that was read before, or of a photo."""
    file = visit.clip_file()
    data = file.data if file and clip.mime else browser_copy.known_copy(visit)
    with places.screen.container():
        if data:
            play(data, clip.mime or browser_copy.MIME)
        else:
            clip_figure.stage(clip)
    with places.answer:
        clip_figure.verdict(clip, reading, captions_per_frame(clip, visit.cell))
    with places.timeline:
        if len(reading.steps) > 1:
            clip_figure.timeline(clip, reading, action_model(visit.cell))
        else:
            st.caption(
                "A photo is a clip of one frame: the network takes one step, and there is nothing yet to remember."
            )


def play(data: bytes, mime: str) -> None:
    """The clip in the browser's player; it begins at once."""
    st.video(data, format=mime, muted=True, autoplay=True)


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
    other = read_features(action_model(cell), what_if.reorder(encoder(), clip.features, order), clip.duration)
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
