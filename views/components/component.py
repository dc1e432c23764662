"""Mounts an interactive figure: a Streamlit component without an iframe, from a script and a style sheet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from pipeline.report.figure_sources import figure_source

HERE = Path(__file__).parent


def component(name: str, figure: Path | None = None) -> Callable[..., Any]:
    """The component of this name. Its sources are ``figure``.js and .css, by default those in the folder ``name``."""
    figure = figure or HERE / name / name
    css, js = figure_source(figure, "css"), figure_source(figure, "js")
    return st.components.v2.component(f"unroll_{name}", html='<div class="unroll"></div>', css=css, js=js)
