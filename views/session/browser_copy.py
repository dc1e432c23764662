"""The copy of a clip that the visitor's browser can play, for those that it cannot; made after the answer is there."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pipeline.media.reader import playable_copy
from pipeline.sandbox.messages import MediaError
from views.hosting.job_log import job
from views.hosting.job_queue import QueueFullError
from views.hosting.uploads import private_file
from views.session.input_controls import ClipFile
from views.session.resources import job_queue

MIME = "video/mp4"
UNASKED = 90  # seconds of a clip that is copied without being asked to


def known_copy(chosen: ClipFile) -> bytes | None:
    """The copy, if it was made in this session; only the last one is kept."""
    digest, copy = st.session_state.get("copy", ("", None))
    return copy if digest == chosen.digest else None


def offer_browser_copy(chosen: ClipFile, seconds: float, screen: DeltaGenerator, note: DeltaGenerator) -> None:
    """Make the copy of a clip of so many seconds, once in a session, and play it in place of the frames on ``screen``;
    a long clip's only when it is asked for, because the page waits for it."""
    if st.session_state.get("copy", ("",))[0] == chosen.digest:
        return
    wanted = note.button("Make a copy that can be played", icon=":material/movie:") if seconds > UNASKED else True
    if not wanted:
        return

    def tick(before: int = 0) -> None:
        note.caption("Browsers cannot play this kind of file: a copy that they can is being made …")

    try:
        with job_queue().turn(tick), private_file(chosen.data) as path, job(len(chosen.data)) as noted:
            noted.stage("copy")
            copy = playable_copy(path, chosen.name, tick)
    except QueueFullError:
        note.empty()
        return  # the frames that were read stay on the screen, and another run may find a place
    except MediaError:
        copy = None
    st.session_state["copy"] = chosen.digest, copy
    note.empty()
    if copy:
        screen.video(copy, format=MIME, muted=True)
