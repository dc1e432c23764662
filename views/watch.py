"""Watch: a clip goes in, a label that evolves comes out."""

from __future__ import annotations

import re
from typing import NamedTuple

import streamlit as st

from pipeline.media import MediaError
from pipeline.recurrent import CELLS
from pipeline.samples import SAMPLES, sample_path
from views import reading
from views.loaded import CELL_NAMES, EncodedClip, action_model, encoded_clip

SUFFIXES = "mp4 mov m4v webm mkv avi wmv flv mpg mpeg 3gp gif jpg jpeg png webp bmp tif tiff avif".split()


class Chosen(NamedTuple):
    """The file to read: its bytes, and what to call it."""

    data: bytes
    name: str


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
    try:
        with place:
            clip = read(chosen)
    except MediaError as error:
        with place:
            st.error(plain(str(error)), icon=":material/broken_image:")
            st.caption(
                "Try another file, or one of the samples. Videos (mp4, mov, webm, avi …) and photos are welcome."
            )
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


def controls() -> tuple[Chosen, str]:
    """The row above the answer: a file of the visitor's or a sample, and the cell that reads it."""
    upload, choice, reader = st.columns([6, 3, 3], gap="medium")
    file = upload.file_uploader(
        "Your video or photo", type=SUFFIXES, help="Up to 200 MB. It is read once and not kept.", key="upload"
    )
    sample = choice.pills(
        "or a sample", list(SAMPLES), default="bikes", key="sample", disabled=file is not None, required=True
    )
    cell = reader.segmented_control(
        "read by", list(CELLS), format_func=CELL_NAMES.get, default="lstm", key="cell", required=True
    )
    if file is not None:
        return Chosen(file.getvalue(), file.name), cell
    return Chosen(sample_path(sample).read_bytes(), f"The sample {sample}"), cell


def read(chosen: Chosen) -> EncodedClip:
    """The chosen clip, encoded; shows the stages in the place where the answer will stand."""
    slot = st.empty()
    with slot.container():
        bar = st.progress(0.0, "Opening the file")
        clip = encoded_clip(chosen.data, chosen.name, bar.progress)
    slot.empty()
    return clip


def plain(text: str) -> str:
    """Text that holds a visitor's words (a file's name), so that Markdown shows it as it is."""
    return re.sub(r"([^\w\s])", r"\\\1", text)
