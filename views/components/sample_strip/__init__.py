"""The samples as thumbnails, each with its promise; pressing one chooses it."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pipeline.media.samples import SAMPLES, thumbnail
from pipeline.report.figure_data import data_uri
from pipeline.sandbox.messages import MediaError
from views.components.component import component

_component = component("sample_strip")
KEY = "samples"


def sample_strip(chosen: str | None, on_choose: Callable[[str], None]) -> None:
    """``chosen`` is the sample that is shown, if any; ``on_choose`` gets the name of the one that is pressed."""

    def choose() -> None:
        name = st.session_state[KEY].get("chosen")
        if name in SAMPLES:
            on_choose(name)

    rows = [[name, sample.says, picture(name), sample.is_photo] for name, sample in SAMPLES.items()]
    _component(
        key=KEY, data={"part": "samples", "rows": rows, "chosen": chosen}, on_chosen_change=choose, height="content"
    )


def picture(name: str) -> str | None:
    try:
        return data_uri(thumbnail(name))
    except MediaError:
        return None  # its package is missing; choosing it says so
