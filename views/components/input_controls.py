"""The controls at the top of a page: upload, samples, cell, and the name of the clip that is shown."""

from __future__ import annotations

import html

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from pipeline.limits import MAX_MEGABYTES
from pipeline.models.recurrent import CELLS
from pipeline.sandbox.formats import PHOTO_SUFFIXES, VIDEO_SUFFIXES
from views.components.sample_strip import sample_strip
from views.session.taught import RECOGNISER_NAMES, caption_cell
from views.session.visit import Visit, current_visit, write_address

COMMON = frozenset({".mp4", ".mov", ".webm", ".jpg", ".png"})  # named first: what most people have
UPLOAD_TYPES = sorted(PHOTO_SUFFIXES | VIDEO_SUFFIXES, key=lambda suffix: (suffix not in COMMON, suffix))
# README.md and docs/hosting.md hold the very same sentence. Streamlit drops the session of a closed page when another
# session ends, two minutes later at the earliest (server.disconnectedSessionTTL).
PRIVACY = (
    "An uploaded file stays in the server's memory until you choose another clip or remove it, and after you close the "
    "page for two minutes and until the next visitor leaves; it is on disk only while it is received and decoded; "
    "small pictures of its frames, its features and the predictions stay in memory until newer clips take their place "
    "(96 MB for all visitors together), and none of it is ever kept on disk."
)


def controls(taught: bool = True) -> Visit:
    """Draw the controls -> the visit, with what was chosen. Without ``taught`` the visitor's own recogniser is not
    offered."""
    visit = current_visit()
    with st.container(key="controls"):
        upload, choice = st.columns([5, 9], gap="medium")
        with upload:
            uploader(visit)
        with choice:
            sample_strip(None if visit.upload else visit.sample, choose_sample)
        # Streamlit forgets this value on other pages; what is assigned here is what the widget shows.
        st.session_state["cell"] = visit.cell if taught else caption_cell(visit.cell)
        with st.container(key="clip", horizontal=True, vertical_alignment="center", gap="small"):
            chip(visit, "read by")
            st.segmented_control(
                "read by",
                visit.recognisers if taught else list(CELLS),
                format_func=RECOGNISER_NAMES.__getitem__,
                key="cell",
                required=True,
                label_visibility="collapsed",
                on_change=choose_cell,
            )
    return visit


def clip_controls() -> Visit:
    """Draw the controls without the choice of a recogniser -> the visit, with what was chosen."""
    visit = current_visit()
    with st.container(key="controls"):
        upload, choice = st.columns([5, 9], gap="medium")
        with upload:
            uploader(visit)
        with choice:
            sample_strip(None if visit.upload else visit.sample, choose_sample)
        with st.container(key="clip", horizontal=True, vertical_alignment="center", gap="small"):
            chip(visit)
    return visit


def uploader(visit: Visit) -> None:
    """An empty place for a file. It is empty again after each file: the chip names the file that is shown."""
    key = f"upload-{visit.uploader}"
    st.file_uploader(
        "Another video or photo" if visit.upload else "Your video or photo",
        type=UPLOAD_TYPES,
        help=PRIVACY,
        key=key,
        max_upload_size=MAX_MEGABYTES,
        on_change=add_upload,
        args=(key,),
    )


def chip(visit: Visit, after: str = "") -> None:
    """Names the clip that the page shows, with the words that go on to what stands beside it; an upload can be
    removed."""
    after = f", {after}" if after else ""
    if not visit.upload:
        name_of_clip(visit.sample, f"a sample{after}")
        return
    file = visit.clip_file()
    name_of_clip(*((file.name, f"your file{after}") if file else ("an upload", "not kept")))
    st.button("Remove", icon=":material/close:", key="remove-upload", type="tertiary", on_click=remove_upload)


def name_of_clip(name: str, kind: str) -> DeltaGenerator:
    escaped = html.escape(name, quote=True)
    return st.html(f"<p class='clip-name'><b title='{escaped}'>{escaped}</b> <span>{kind}</span></p>", width="content")


# ── Choices: each changes the visit, then the address ────────────────────────────────────────────────────────────


def choose_sample(name: str) -> None:
    current_visit().choose_sample(name)
    write_address()


def choose_cell() -> None:
    current_visit().cell = st.session_state["cell"]
    write_address()


def add_upload(key: str) -> None:
    """Show the file that was chosen. While a page runs, the browser still sends the uploader before it, whose file is
    no longer in Streamlit's store: that is a change too, but nothing was chosen."""
    if isinstance(file := st.session_state[key], UploadedFile):
        current_visit().add_upload(file.getvalue(), file.name)
        drop_stored_upload(file.file_id)
        write_address()


def drop_stored_upload(file_id: str) -> None:
    """Remove a file from Streamlit's own store, which would hold every upload of a visit until its session ends."""
    context = get_script_run_ctx()
    if context is not None and isinstance(context.uploaded_file_mgr, MemoryUploadedFileManager):
        context.uploaded_file_mgr.remove_file(context.session_id, file_id)


def remove_upload() -> None:
    current_visit().remove_upload()
    write_address()
