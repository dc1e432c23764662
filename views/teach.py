"""Teach: a recogniser of the visitor's own actions, from a handful of clips of each; and time itself, from one clip."""

from __future__ import annotations

import streamlit as st

from views import teach_actions, teach_time

WHAT = {"your own actions": teach_actions.section, "time itself": teach_time.section}


def page() -> None:
    st.title("Teach it")
    st.markdown(
        "It knows the actions that it was trained on, and no others. Give it a few clips of yours, and it learns them "
        "in seconds; or give it one clip, and watch a recurrent network find out which way time runs."
    )
    what = st.segmented_control(
        "What shall it learn?",
        list(WHAT),
        default="your own actions",
        key="teach-what",
        persist_state="session",
        required=True,
    )
    WHAT[what or "your own actions"]()
