"""How a page gets an interactive picture of ours: one component, without an iframe, from files in its folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

HERE = Path(__file__).parent


def component(name: str) -> Callable[..., Any]:
    """The component whose script and style lie in the folder ``name``, each after what all of them share."""
    css, js = (
        (HERE / f"component.{kind}").read_text() + (HERE / name / f"{name}.{kind}").read_text()
        for kind in ("css", "js")
    )
    return st.components.v2.component(f"unroll_{name}", html='<div class="unroll"></div>', css=css, js=js)
