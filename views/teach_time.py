"""Teach it time: two readers learn before one's eyes which way time runs in one clip."""

from __future__ import annotations

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pipeline.media.samples import SAMPLES
from pipeline.sandbox.messages import MediaError
from pipeline.teaching.examples import TeachingError
from pipeline.teaching.time_lesson import EPOCHS, Epoch, Reader, lesson
from views.components import clip_figure
from views.components.input_controls import clip_controls
from views.hosting.job_queue import QueueFullError
from views.session.clip_area import as_markdown, clip_area, load_or_encode
from views.session.encode_upload import encoded_clip, waiting
from views.session.encoded_clip import EncodedClip, recent_clips
from views.session.resources import encoder, job_queue
from views.session.visit import Visit, sample_file

MEAN, RECURRENT = "mean of frames", "one by one (GRU)"
TASKS = ("forwards or backwards", "this clip or another one")
DRAW_EVERY = 3  # epochs
LEARNED = 0.75  # share of right answers above which the direction was learned


def section() -> None:
    st.markdown(
        "Choose a clip with a direction: a box is opened, milk is poured, somebody sits down. It is cut into pieces, "
        "as it is and backwards, and two small readers learn to tell them apart: one sees the mean of a piece's "
        "frames, one reads them in their order."
    )
    visit = clip_controls()
    task = st.segmented_control("What is told apart?", TASKS, default=TASKS[0], key="time-task", required=True)
    with clip_area(visit):
        clip = load_or_encode(visit)
        if clip is None:
            return
        with st.columns(2)[0]:
            clip_figure.stage(clip)
        if st.button("Teach it time", icon=":material/school:", type="primary", key="teach-time"):
            show_lesson(clip, visit, task == TASKS[0])


def show_lesson(clip: EncodedClip, visit: Visit, backwards: bool) -> None:
    chart, words, tables = st.empty(), st.empty(), st.empty()
    try:
        rows = frame_features(clip)
        other = None if backwards else frame_features(another_clip(visit))
        rows_of_chart: list[dict[str, float | str]] = []
        for epoch in lesson(rows, other):
            rows_of_chart += points(epoch)
            if epoch.number % DRAW_EVERY == 0 or epoch.number == EPOCHS:
                draw(chart, rows_of_chart)
    except (MediaError, TeachingError) as error:
        st.error(as_markdown(str(error)))
        return
    except QueueFullError:
        st.warning("Too many clips are being read just now. Please try again in a minute.")
        return
    words.markdown(conclusion(epoch, backwards))
    names = ("forwards", "backwards") if backwards else ("this clip", "the other clip")
    with tables.container():
        for column, title, reader in zip(
            st.columns(2, gap="large"), (MEAN, RECURRENT), (epoch.mean, epoch.recurrent), strict=True
        ):
            column.caption(f"{title}: pieces of frames that it did not learn from")
            column.dataframe(confusion(reader, names), hide_index=True, width="stretch")


def frame_features(clip: EncodedClip) -> np.ndarray:
    """The image features of every frame, (T, D). Watch reads every second frame only, so they are read here again."""

    def read() -> np.ndarray:
        place = st.empty()
        with job_queue().turn(lambda before: show_waiting(place, before)):
            place.empty()
            return encoder().encode([clip.picture(k) for k in range(len(clip.pictures))]).features

    if len(clip.pictures) < 2:
        raise TeachingError("A photo has no direction: choose a clip.")
    return recent_clips().prediction(clip, "every frame", read)


def show_waiting(place: DeltaGenerator, before: int) -> None:
    place.caption(waiting(before))


def another_clip(visit: Visit) -> EncodedClip:
    """The first sample that is not the visit's clip, encoded."""
    shown = visit.clip_file()
    file = next(each for each in map(sample_file, SAMPLES) if shown is None or each.digest != shown.digest)
    return encoded_clip(file, "lstm", lambda *_: None)


def points(epoch: Epoch) -> list[dict[str, float | str]]:
    return [
        {"pass": epoch.number, "right": reader.asked, "reader": name}
        for name, reader in ((MEAN, epoch.mean), (RECURRENT, epoch.recurrent))
    ]


def draw(chart: DeltaGenerator, rows: list[dict[str, float | str]]) -> None:
    chart.line_chart(
        rows,
        x="pass",
        y="right",
        color="reader",
        height=280,
        x_label="passes over the pieces",
        y_label="right answers",
    )


def conclusion(epoch: Epoch, backwards: bool) -> str:
    """What was learned, in two sentences."""
    mean, recurrent = f"{epoch.mean.asked:.0%}", f"{epoch.recurrent.asked:.0%}"
    if not backwards:
        return (
            f"The mean of the frames is enough to tell the clips apart: it is right in **{mean}**, the recurrent "
            f"reader in **{recurrent}**. Where the order does not matter, a network that knows it has no advantage."
        )
    first = (
        "A clip and its reverse have the same frames, so their mean is the same: that reader is right in "
        f"**{mean}**, as by chance."
    )
    if epoch.recurrent.asked > LEARNED:
        return (
            f"{first} The recurrent reader remembers what came before, and is right in **{recurrent}**: it has learned "
            "which way time runs."
        )
    return (
        f"{first} The recurrent reader is right in **{recurrent}**: this clip looks much the same both ways, so there "
        "is little to learn."
    )


def confusion(reader: Reader, names: tuple[str, str]) -> dict[str, list[object]]:
    return {"it was": list(names), **{f"said: {name}": reader.confusion[:, k].tolist() for k, name in enumerate(names)}}
