"""The part of a page that belongs to one clip: encoded while the visitor watches, and gone when another is chosen."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pipeline.analysis.confidence import NOBODY, NOT_SURE
from pipeline.media.reader import MAX_STEPS
from pipeline.models.checkpoint import CheckpointError
from pipeline.sandbox.messages import MediaError
from views.hosting.job_queue import QueueFullError
from views.hosting.uploads import ClipFile
from views.session.encode_upload import FrameRead, encoded_clip
from views.session.encoded_clip import EncodedClip, recent_clips
from views.session.visit import Visit, current_visit


def clip_area(visit: Visit) -> DeltaGenerator:
    """A container for everything that shows the visit's clip. Nothing of the clip before is left in it.

    Streamlit keeps what a place of the page held before until the run has ended, and the browser reuses it (a player
    with its subtitles). So there are two places, and a new clip takes the other one: that empties the first at once.
    """
    places = st.empty(), st.empty()
    clip, place = visit.area
    if (shown := visit.upload or visit.sample) != clip:
        visit.area = shown, 1 - place
    return places[visit.area[1]].container()


OnRead = Callable[[ClipFile, FrameRead], None]  # a frame of the file was read


def load_or_encode(visit: Visit, max_steps: int = MAX_STEPS, on_read: OnRead | None = None) -> EncodedClip | None:
    """The visit's clip, encoded; None if it cannot be read, or not now, and then the page says why.

    While it is encoded, the progress and a button to stop are shown. The prediction so far is shown by ``on_read``, if
    given, else here.
    """
    try:
        file = visit.clip_file()
        if file is None:
            st.info("The clip of this address was an upload that the server no longer holds: please choose it again.")
            return None
        if (known := recent_clips().get(file.key(max_steps))) is not None:
            return known
        if visit.stopped == file.key(max_steps):
            stopped(file, max_steps)
            return None
        return encode(file, visit.cell, max_steps, on_read)
    except QueueFullError:
        st.warning("Too many clips are being read just now. Please try again in a minute.", icon=":material/groups:")
    except MediaError as error:
        st.error(as_markdown(str(error)), icon=":material/broken_image:")
        st.caption("Choose another file, or one of the samples. Videos (mp4, mov, webm, avi …) and photos can be read.")
    return None


def load_beside(visit: Visit, key: str) -> tuple[DeltaGenerator, DeltaGenerator, EncodedClip | None]:
    """Two columns: the left one for the picture, and in the right one a container of this key, where the visit's clip
    is encoded -> both, and the clip (see load_or_encode())."""
    left, right = st.columns([6, 5], gap="large")
    place = right.container(key=key)
    with place:
        return left, place, load_or_encode(visit)


def encode(file: ClipFile, cell: str, max_steps: int, on_read: OnRead | None) -> EncodedClip:
    """Encode the clip and show how it goes. Raises MediaError or QueueFullError."""
    place, key = st.empty(), file.key(max_steps)
    with place.container(key=f"progress-{max_steps}"):
        bar = st.progress(0.0, "Opening the file")
        st.button("Stop", icon=":material/stop_circle:", key=f"stop-{max_steps}", on_click=set_stopped, args=(key,))
        answer = st.empty()

    def show(share: float, text: str, read: FrameRead | None) -> None:
        bar.progress(share, text)
        if read and on_read:
            on_read(file, read)
        elif read:
            answer.html(answer_so_far(read))

    try:
        clip = encoded_clip(file, cell, show, max_steps)
    except (MediaError, QueueFullError, CheckpointError):
        place.empty()
        raise
    place.empty()
    return clip


def stopped(file: ClipFile, max_steps: int) -> None:
    """Says that the visitor stopped the encoding, and offers to start it again."""
    what = "You stopped the reading of" if max_steps == MAX_STEPS else "You stopped the closer reading of"
    st.info(f"{what} {as_markdown(file.name)}. There is no answer.", icon=":material/stop_circle:")
    st.button("Read it after all", icon=":material/replay:", key=f"again-{max_steps}", on_click=set_stopped, args=("",))


def set_stopped(key: str) -> None:
    """Remember which clip's encoding was stopped; the run that was encoding ends when the button is pressed."""
    current_visit().stopped = key


def answer_so_far(read: FrameRead) -> str:
    """The answer while a clip is still being read."""
    answer = NOBODY if read.answer.is_no_action else read.answer.label
    if not read.answer.is_sure:
        answer = NOT_SURE
    return f"<div class='so-far'><p>{html.escape(answer)} …</p></div>"


def as_markdown(text: str) -> str:
    """Text that holds a visitor's words (a file's name), so that Markdown shows it as it is."""
    return re.sub(r"([^\w\s])", r"\\\1", text)
