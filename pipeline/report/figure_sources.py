"""The scripts and styles of the figures: drawn by the app's pages and by the HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

HERE = Path(__file__).parent
CLIP_FIGURE = HERE / "clip_figure"  # without its suffix: .js and .css


def figure_source(figure: Path, suffix: Literal["css", "js"]) -> str:
    """The source of one figure, after the source that all figures share. ``figure`` is a path without its suffix."""
    return (HERE / f"figure.{suffix}").read_text(encoding="utf-8") + figure.with_suffix(f".{suffix}").read_text(
        encoding="utf-8"
    )
