"""What every page begins with: a file of the visitor's or a sample, and the cell that reads it."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Mapping, Sequence

import streamlit as st

from pipeline.limits import MAX_MEGABYTES
from pipeline.media.reader import MAX_STEPS
from pipeline.media.samples import SAMPLES, sample_path
from pipeline.models.recurrent import CELLS
from pipeline.sandbox.formats import SUFFIXES as PHOTOS
from pipeline.sandbox.formats import VIDEOS
from pipeline.sandbox.messages import MediaError
from views.hosting.job_queue import QueueFullError
from views.hosting.uploads import ClipFile
from views.session.encode_upload import encoded_clip
from views.session.encoded_clip import EncodedClip, recent_clips
from views.session.resources import CELL_NAMES

COMMON = frozenset({".mp4", ".mov", ".webm", ".jpg", ".png"})  # named first: what most people have


def controls() -> tuple[ClipFile, str]:
    """The row above the answer -> the file, and the name of the cell."""
    read_query_param("sample", SAMPLES)
    read_query_param("cell", CELLS)
    upload, choice, reader = st.columns([6, 3, 3], gap="medium")
    file = upload.file_uploader(
        "Your video or photo",
        type=sorted(PHOTOS | VIDEOS, key=lambda suffix: (suffix not in COMMON, suffix)),
        help=f"Up to {MAX_MEGABYTES} MB. It is not kept when you leave.",
        key="upload",
        max_upload_size=MAX_MEGABYTES,
    )
    sample = choice.pills("or a sample", list(SAMPLES), key="sample", disabled=file is not None, required=True)
    cell = reader.segmented_control("read by", list(CELLS), format_func=CELL_NAMES.get, key="cell", required=True)
    write_query_param("cell", cell)
    write_query_param("sample", None if file else sample)
    if file is not None:
        return with_digest(file.file_id, file.getvalue(), file.name), cell
    return with_digest(sample, sample_path(sample).read_bytes(), f"The sample {sample}"), cell


def with_digest(visit: str, data: bytes, name: str) -> ClipFile:
    """A file with its digest, which is computed once in a visitor's session."""
    known = st.session_state.setdefault("digests", {})
    if visit not in known:
        known[visit] = hashlib.sha256(data).hexdigest()
    return ClipFile(data, name, known[visit])


def read_query_param(key: str, known: Mapping[str, object]) -> None:
    """What a shared address says of a control, when the page is opened; else the first that is known."""
    if key not in st.session_state:
        asked = st.query_params.get(key)
        st.session_state[key] = asked if asked in known else next(iter(known))


def write_query_param(key: str, value: str | None) -> None:
    """Keep the page's address such that it can be shared; an upload is nobody else's, and has none."""
    if value is None:
        st.query_params.pop(key, None)
    elif st.query_params.get(key) != value:
        st.query_params[key] = value


def load_or_encode(chosen: ClipFile, cell: str, max_steps: int = MAX_STEPS) -> EncodedClip | None:
    """The chosen clip, encoded. Meanwhile the answer so far is shown where the answer will stand, or what is wrong."""
    key = chosen.key(max_steps)
    if (known := recent_clips().get(key)) is not None:
        return known
    slot = st.empty()
    if st.session_state.get("stopped") == key:
        slot.button("Stopped. Read it after all", icon=":material/replay:", on_click=stop, args=(None,))
        return None
    try:
        with slot.container():
            bar = st.progress(0.0, "Opening the file")
            st.button("Stop", icon=":material/stop_circle:", key=f"stop-{max_steps}", on_click=stop, args=(key,))
            answer = st.empty()

            def show(share: float, text: str, top: Sequence[tuple[str, float]]) -> None:
                bar.progress(share, text)
                if top:
                    answer.html(so_far(top))

            clip = encoded_clip(chosen, cell, show, max_steps)
        slot.empty()
        return clip
    except QueueFullError:
        slot.warning("Too many clips are being read just now. Please try again in a minute.", icon=":material/groups:")
    except MediaError as error:
        with slot.container():
            st.error(_plain(str(error)), icon=":material/broken_image:")
            st.caption(
                "Try another file, or one of the samples. Videos (mp4, mov, webm, avi …) and photos are welcome."
            )
    return None


def so_far(top: Sequence[tuple[str, float]]) -> str:
    """The likeliest labels while a clip is still being read, the first of them large."""
    row = "<li><span>{}</span><i style='width:{:.1%}'></i><b>{:.2f}</b></li>"
    rows = "".join(row.format(html.escape(label), p, p) for label, p in top)
    return f"<div class='so-far'><p>{html.escape(top[0][0])} …</p><ul>{rows}</ul></div>"


def stop(key: str | None) -> None:
    """Remember which clip's reading was stopped; the run that was reading ends with the press of the button."""
    st.session_state["stopped"] = key


def _plain(text: str) -> str:
    """Text that holds a visitor's words (a file's name), so that Markdown shows it as it is."""
    return re.sub(r"([^\w\s])", r"\\\1", text)
