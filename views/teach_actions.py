"""The visitor's own actions: their clips, the learning, how good it is, and the file to take along."""

from __future__ import annotations

import html
from collections import Counter

import cv2
import numpy as np
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from pipeline.limits import MAX_MEGABYTES, TAUGHT_MEGABYTES, TEACH_CLIPS, TEACH_LABELS, TEACH_MINUTES
from pipeline.media.clip import decode_jpeg
from pipeline.teaching.examples import LONGEST_LABEL, TeachingError
from pipeline.teaching.judging import Judgement
from pipeline.teaching.lesson import Lesson, learn
from pipeline.teaching.taught_file import TaughtFileError, load_taught, save_taught
from views.components.input_controls import UPLOAD_TYPES, drop_stored_upload
from views.hosting.uploads import ClipFile, digest_of
from views.session.classroom import PREVIEW_CELL, Classroom, TaughtClip, current_classroom, read_pending
from views.session.clip_area import as_markdown
from views.session.resources import action_model
from views.session.visit import current_visit

STRIP_HEIGHT = 48  # pixels
KEPT = (
    "A file is dropped as soon as it is read. Its features and five small pictures stay in this session, for nobody "
    "else, until you remove the clip or close the page."
)
SHOWN = 12  # strips of a label, unless all are asked for


def section() -> None:
    classroom = current_classroom()
    sources()
    add_label(classroom)
    for label in list(classroom.labels):
        label_box(classroom, label)
    read_files(classroom)
    for problem in classroom.problems:
        st.error(as_markdown(problem), icon=":material/broken_image:")
    learning(classroom)
    if classroom.lesson is not None:
        lesson(classroom, classroom.lesson)


def sources() -> None:
    """Where clips come from: files, for now; other sources have their buttons in this row."""
    st.caption(
        f"At most {TEACH_LABELS} labels with {TEACH_CLIPS} clips or photos each, {TEACH_MINUTES} minutes in all. Five "
        "short clips of each action are a good beginning; let several people, places and angles be among them."
    )
    row = st.container(key="teach-sources", horizontal=True, gap="small")
    with row.popover("Go on from a file", icon=":material/upload_file:"):
        key = f"taught-file-{current_classroom().generation}"
        st.file_uploader(
            "A recogniser that was taught before",
            type=["safetensors"],
            key=key,
            max_upload_size=TAUGHT_MEGABYTES,
            on_change=open_file,
            args=(key,),
        )


def add_label(classroom: Classroom) -> None:
    with st.form("new-label", clear_on_submit=True, border=False):
        left, right = st.columns([4, 1], vertical_alignment="bottom")
        text = left.text_input("A new action", placeholder="serve, forehand, smash …", max_chars=LONGEST_LABEL)
        if right.form_submit_button("Add", icon=":material/add:", width="stretch"):
            try:
                classroom.add_label(text)
            except TeachingError as error:
                st.error(as_markdown(str(error)))


def label_box(classroom: Classroom, label: str) -> None:
    """One action with its clips and a place for more."""
    number = classroom.labels.index(label)
    clips = classroom.clips_of(label)
    with st.container(border=True, key=f"label-{number}"):
        title, remove = st.columns([5, 1], vertical_alignment="center")
        title.html(f"<p class='clip-name'><b>{html.escape(label)}</b> <span>{counted(clips)}</span></p>")
        remove.button(
            "Remove",
            icon=":material/close:",
            key=f"remove-{label}",
            type="tertiary",
            on_click=classroom.remove_label,
            args=(label,),
        )
        key = f"clips-{number}-{classroom.generation}"
        st.file_uploader(
            f"Clips or photos of {as_markdown(label)}",
            type=UPLOAD_TYPES,
            accept_multiple_files=True,
            help=KEPT,
            key=key,
            max_upload_size=MAX_MEGABYTES,
            label_visibility="collapsed",
            on_change=add_files,
            args=(key, label),
        )
        strips(classroom, clips, f"all-{label}")


def counted(clips: list[TaughtClip]) -> str:
    if not clips:
        return "no clip yet"
    seconds = sum(each.example.duration for each in clips)
    return f"{len(clips)} clip{'s' * (len(clips) > 1)}, {seconds:.0f} s"


def strips(classroom: Classroom, clips: list[TaughtClip], key: str, removable: bool = True) -> None:
    """The film strip of each clip, with a button to remove it."""
    shown = clips if len(clips) <= SHOWN or st.toggle(f"all {len(clips)} clips", key=key) else clips[:SHOWN]
    with st.container(horizontal=True, gap="small"):
        for each in shown:
            with st.container(width=200, key=f"strip-{each.key}-{key}"):
                if each.pictures:
                    st.image(strip(each), width="stretch")
                name = html.escape(each.example.name, quote=True)
                st.html(f"<p class='clip-name'><span title='{name}'>{name[:28]}</span></p>")
                if removable:
                    st.button(
                        "Remove",
                        key=f"remove-clip-{each.key}",
                        type="tertiary",
                        on_click=classroom.remove_clip,
                        args=(each.key,),
                        help=f"Remove {as_markdown(each.example.name)}",
                    )


def strip(clip: TaughtClip) -> np.ndarray:
    """The pictures of a clip side by side, (STRIP_HEIGHT, W, 3) uint8 RGB."""
    pictures = [decode_jpeg(jpeg) for jpeg in clip.pictures]
    return np.concatenate(
        [cv2.resize(p, (max(1, STRIP_HEIGHT * p.shape[1] // p.shape[0]), STRIP_HEIGHT)) for p in pictures], 1
    )


# ── Files ────────────────────────────────────────────────────────────────────────────────────────────────────────


def add_files(key: str, label: str) -> None:
    """Take over the files that were chosen for a label; they are read in the run that follows."""
    classroom = current_classroom()
    classroom.problems = []
    for file in st.session_state[key]:
        if isinstance(file, UploadedFile):
            data = file.getvalue()
            classroom.pending.append((label, ClipFile(data, file.name, digest_of(data))))
            drop_stored_upload(file.file_id)
    classroom.generation += 1


def read_files(classroom: Classroom) -> None:
    """Read the files that wait, and show how it goes."""
    if not classroom.pending:
        return
    place = st.empty()
    with place.container():
        bar = st.progress(0.0, "Opening the first file")
        st.button("Stop", icon=":material/stop_circle:", key="stop-teaching", on_click=stop_reading)

    def show(number: int, count: int, label: str, share: float) -> None:
        bar.progress((number - 1 + share) / count, f"Clip {number} of {count}, {as_markdown(label)}: being read")

    read_pending(classroom, show)
    place.empty()
    st.rerun()


def stop_reading() -> None:
    """The run that was reading ends when the button is pressed; here the files that it had not read are dropped."""
    classroom = current_classroom()
    if classroom.pending:
        classroom.problems.append(f"You stopped: {len(classroom.pending)} files were not read.")
    classroom.pending = []


def open_file(key: str) -> None:
    """Use the recogniser of a file, and go on from its clips if they were kept in it."""
    file, classroom = st.session_state[key], current_classroom()
    if not isinstance(file, UploadedFile):
        return
    data = file.getvalue()
    drop_stored_upload(file.file_id)
    classroom.problems = []
    classroom.generation += 1
    try:
        model, examples = load_taught(data, action_model(PREVIEW_CELL))
        fresh = Classroom()
        fresh.generation, fresh.labels = classroom.generation, list(model.actions)
        for each in examples:
            fresh.add(TaughtClip(each, ()))
    except (TaughtFileError, TeachingError) as error:
        classroom.problems = [str(error)]
        return
    fresh.lesson = Lesson(model, None)
    fresh.judged = list(fresh.clips)
    st.session_state["classroom"] = fresh
    current_visit().use_taught(model)


# ── Learning ─────────────────────────────────────────────────────────────────────────────────────────────────────


def learning(classroom: Classroom) -> None:
    """The button to learn, and what stands in its way."""
    empty = [label for label in classroom.labels if not classroom.clips_of(label)]
    background = st.checkbox(
        "Call a clip of none of these actions “something else”",
        key="teach-background",
        help="Keeps the labels that the app came with as background.",
        persist_state="session",
    )
    ready = classroom.can_learn and not empty
    if not ready and classroom.labels:
        st.caption(
            "Give at least two actions a clip each." if not empty else f"No clip yet: {as_markdown(', '.join(empty))}."
        )
    if st.button("Learn", icon=":material/school:", type="primary", key="learn", disabled=not ready):
        learn_now(classroom, background)


def learn_now(classroom: Classroom, background: bool) -> None:
    place = st.empty()
    bar = place.progress(0.0, "Learning")
    clips = list(classroom.clips)

    def show(done: int, parts: int) -> None:
        bar.progress(done / parts, f"Asking about clips that it has not seen: {done} of {parts}")

    try:
        found = learn(
            [each.example for each in clips],
            action_model(PREVIEW_CELL),
            background=background,
            on_fold=show,
        )
    except TeachingError as error:
        place.error(as_markdown(str(error)))
        return
    place.empty()
    classroom.lesson, classroom.judged = found, clips
    current_visit().use_taught(found.model)


def lesson(classroom: Classroom, found: Lesson) -> None:
    """What was learned, how good it is, and what can be done with it."""
    st.subheader("What it has learned", anchor=False)
    if not classroom.is_learned:
        st.info("The clips have changed since: press Learn again.")
    st.markdown(
        "It is chosen on **Watch** and **Inside** now, as *yours* beside LSTM, GRU and RNN, until you close the page. "
        f"Below {found.model.threshold:.2f} it says “not sure”."
    )
    if found.judgement is not None:
        judged(classroom, found.judgement)
    elif (figures := found.model.card["left_out"]) is not None:
        st.markdown(f"When it was taught it was right about {figures['right']} of {figures['clips']} left-out clips.")
    else:
        st.warning("With one clip for a label it cannot judge itself: give each action two clips or more.")
    download(classroom, found)


def judged(classroom: Classroom, judgement: Judgement) -> None:
    """Accuracy, confusions, and which labels need more clips."""
    low, high = judgement.interval
    how = "one by one" if judgement.folds == len(judgement.truth) else f"in {judgement.folds} parts"
    left, right = st.columns([1, 2], gap="large", vertical_alignment="center")
    left.metric("right about left-out clips", f"{judgement.accuracy:.0%}")
    right.markdown(
        f"**{judgement.right} of {len(judgement.truth)}** clips were recognised by a recogniser that had not seen them "
        f"(left out {how}). The true share is between **{low:.0%}** and **{high:.0%}** (95 % confidence)."
    )
    if judgement.needs_more:
        st.markdown(
            "More clips would help most for "
            + ", ".join(f"**{as_markdown(name)}**" for name in judgement.needs_more)
            + "."
        )
    confusion(classroom, judgement)


def confusion(classroom: Classroom, judgement: Judgement) -> None:
    """The confusion matrix; a chosen cell shows its clips."""
    table = judgement.confusion
    columns = {f"said: {label}": table[:, k].tolist() for k, label in enumerate(judgement.labels)}
    chosen = st.dataframe(
        {"it was": list(judgement.labels), **columns},
        hide_index=True,
        width="stretch",
        on_select="rerun",
        selection_mode="single-cell",
        key="confusion",
    )
    mistakes = Counter((was, said) for was, said in zip(judgement.truth, judgement.answers, strict=True) if was != said)
    names = {
        f"{judgement.labels[was]} taken for {judgement.labels[said]} ({count})": (was, said)
        for (was, said), count in mistakes.most_common()
    }
    picked = st.pills("Open the clips of a cell, or of a mistake", list(names), key="mistake") if names else None
    cells = [(row, int(list(columns).index(column))) for row, column in chosen.selection.cells if column in columns]
    for was, said in cells or ([names[picked]] if picked else []):
        clips = [classroom.judged[k] for k in judgement.clips(was, said)]
        st.caption(
            f"{as_markdown(judgement.labels[was])}, said to be {as_markdown(judgement.labels[said])}: {len(clips)}"
        )
        strips(classroom, clips, f"cell-{was}-{said}", removable=False)


def download(classroom: Classroom, found: Lesson) -> None:
    keep = st.checkbox(
        "Keep the features of the clips in the file, so that clips can be added later",
        key="keep-features",
        help="Features are numbers from which no picture can be made. Names and pictures are never in the file.",
        disabled=not classroom.judged,
    )
    try:
        data = save_taught(found.model, [each.example for each in classroom.judged] if keep else ())
    except TaughtFileError as error:
        st.error(str(error))
        return
    st.download_button(
        "Download the recogniser", data, "taught.safetensors", "application/octet-stream", icon=":material/download:"
    )
