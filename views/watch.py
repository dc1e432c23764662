"""Watch: a clip goes in, a label that evolves comes out."""

from __future__ import annotations

import streamlit as st

from views import reading
from views.choosing import controls, read
from views.loaded import action_model


def page() -> None:
    st.title("What are they doing?")
    st.markdown(
        "A CNN sees one frame at a time; a recurrent network remembers. Drop in a clip or a photo and watch its "
        "answer form, frame by frame."
    )
    chosen, cell = controls()
    player, answer = st.columns([6, 5], gap="large")
    with answer:
        place = st.container(key="answer")
    with place:
        clip = read(chosen)
    if clip is None:
        return
    model, steps = action_model(cell), clip.read_with(cell)
    verdict = model.verdict(steps)
    with player, st.container(key="player"):
        if clip.mime:
            st.video(chosen.data, format=clip.mime, muted=True)
        else:
            reading.stage(clip)
    with place:
        reading.verdict(clip, model, steps, verdict)
    if len(steps) > 1:
        reading.timeline(clip, model, steps, verdict)
    else:
        st.caption("A photo is a clip of one frame: the network takes one step, and there is nothing yet to remember.")
