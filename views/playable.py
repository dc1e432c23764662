"""The copy of a clip that the visitor's browser can play, for those that it cannot; made after the answer is there."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pipeline.media import MediaError, playable_copy
from views.choosing import Chosen
from views.loaded import turns
from views.turns import LineIsFullError
from views.uploads import private_file

MIME = "video/mp4"


def known_copy(chosen: Chosen) -> bytes | None:
    """The copy, if it was made in this session; only the last one is kept."""
    digest, copy = st.session_state.get("copy", ("", None))
    return copy if digest == chosen.digest else None


def offer(chosen: Chosen, screen: DeltaGenerator) -> None:
    """Make the copy, once in a session and clip, and play it in place of the still frames on ``screen``."""
    if st.session_state.get("copy", ("",))[0] == chosen.digest:
        return
    note = st.empty()

    def tick(before: int = 0) -> None:
        note.caption("Browsers cannot play this kind of file: a copy that they can is being made …")

    try:
        with turns().turn(tick), private_file(chosen.data) as path:
            copy = playable_copy(path, chosen.name, tick)
    except (MediaError, LineIsFullError):
        copy = None  # the frames that were read stay on the screen
    st.session_state["copy"] = chosen.digest, copy
    note.empty()
    if copy:
        screen.video(copy, format=MIME, muted=True)
