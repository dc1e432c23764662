"""Watch: the action label of a clip, after every frame, while it is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pipeline.analysis import segments
from pipeline.analysis.reading import ClipReading, answer_rule
from views.components import clip_figure
from views.components.input_controls import controls
from views.components.save_reading import save_reading
from views.experiments import operate_on_memory, what_if_section, what_would_change
from views.hosting.job_log import count_opinion
from views.hosting.uploads import ClipFile
from views.session import browser_copy
from views.session.clip_area import clip_area, load_or_encode
from views.session.encode_upload import FrameRead
from views.session.encoded_clip import EncodedClip
from views.session.replays import captions_per_frame, clip_reading
from views.session.resources import encoder
from views.session.taught import recogniser
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
    # Streamlit shows no container without a child, and all that follows would move when the first one comes.
    status.html("<i class='placeholder'></i>")
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
        rule, places = answer_rule(recogniser(self._visit.cell)), self._places
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
    reading, model = clip_reading(clip, visit.cell), recogniser(visit.cell)
    if live.figure is None:
        show_reading(clip, visit, places, reading)
    else:
        live.figure.finish(clip, reading, model)
        live.figure.say(clip, captions_per_frame(clip, visit.cell))
    with places.status, st.container(key="save", horizontal=True, vertical_alignment="center"):
        save_reading(clip, visit.clip_file(), visit.cell)
        ask_whether_right(clip.digest, reading.prediction.answer.text)
    with st.expander("Letter by letter"):
        clip_figure.letters(clip, reading)
    if clip.duration >= segments.LONG_CLIP_SECONDS:
        st.subheader("Piece by piece", anchor=False)
        longer = load_or_encode(visit, segments.STEPS)
        if longer is not None:
            clip_figure.segments(clip, longer, model, encoder().video, reading)
    if len(reading.steps) > 1:
        what_would_change(clip, visit.cell)
        operate_on_memory(clip)
        what_if_section(clip, visit.cell)
    knows(model.actions)
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
            clip_figure.timeline(clip, reading, recogniser(visit.cell))
        else:
            st.caption(
                "A photo is a clip of one frame: the network takes one step, and there is nothing yet to remember."
            )


def knows(actions: Sequence[str]) -> None:
    st.caption(
        f"It knows {len(actions)} actions and nothing else; the page Models has the list to search, what it does not "
        "know, and how often it is wrong. The question mark above the upload says what happens to a file. The code is "
        "Apache-2.0; NOTICE says what the weights learned from."
    )


@st.fragment
def ask_whether_right(clip: str, said: str) -> None:
    """Three buttons; what is pressed is counted by label in the job log, once a clip, and nothing else is kept."""
    if st.session_state.get("opinion") == (clip, said):
        st.caption("Counted, thank you. Nothing but the label was kept.")
        return
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.markdown("Is that so?", width="content")
        for opinion in ("Right", "Wrong", "Not in your list"):
            if st.button(opinion, type="tertiary", key=f"opinion-{opinion}", help="The host sees counts by label."):
                count_opinion(said, opinion.lower())
                st.session_state["opinion"] = clip, said
                st.rerun(scope="fragment")


def play(data: bytes, mime: str) -> None:
    """The clip in the browser's player; it begins at once."""
    st.video(data, format=mime, muted=True, autoplay=True)
