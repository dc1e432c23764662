"""Save this reading: the page, the card, subtitles and JSON. Each is made when it is asked for; nothing is kept."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pipeline.analysis.confidence import caption_text
from pipeline.analysis.segments import STEPS
from pipeline.report.card import card
from pipeline.report.html_page import TAUGHT_CELL, ReadClip, reading_page
from pipeline.report.reading_json import reading_json
from pipeline.report.subtitles import webvtt
from views.hosting.uploads import ClipFile
from views.session.encoded_clip import EncodedClip, recent_clips
from views.session.replays import captions_per_frame, clip_reading
from views.session.resources import CELL_NAMES, encoder
from views.session.taught import recogniser


def save_reading(clip: EncodedClip, file: ClipFile | None, cell: str) -> None:
    """A button that opens the ways to save what the page shows of a clip."""

    def html_page() -> str:
        read = ReadClip(clip.kind, clip.duration, clip.features, clip.pictures)
        longer = recent_clips().get(file.key(STEPS)) if file else None
        more = None if longer is None else longer.features
        name = file.name if file else "A clip"
        captions = captions_per_frame(clip, cell)
        return reading_page(read, recogniser(cell), encoder().video, captions, cell_name, name, more)

    def said() -> str:
        caption = captions_per_frame(clip, cell)[-1]
        return caption_text(caption.text, caption.is_confident)

    reading, cell_name = clip_reading(clip, cell), CELL_NAMES.get(cell, TAUGHT_CELL)
    texts = [answer.text for answer in reading.answers]
    ways: list[tuple[str, Callable[[], str | bytes], str, str, str]] = [
        ("Page (HTML)", html_page, "html", "text/html", "web"),
        ("Card (PNG)", lambda: card(reading, clip.pictures, said(), cell_name), "png", "image/png", "image"),
        ("Subtitles (WebVTT)", lambda: webvtt(reading.times, texts, clip.duration), "vtt", "text/vtt", "subtitles"),
        ("Data (JSON)", lambda: reading_json(reading, said(), cell), "json", "application/json", "data_object"),
    ]
    with st.popover("Save this reading", icon=":material/download:"):
        for label, make, suffix, mime, icon in ways:
            st.download_button(
                label,
                make,
                f"reading.{suffix}",
                mime,
                icon=f":material/{icon}:",
                width="stretch",
                on_click="ignore",
                key=f"save-{suffix}",
            )
