"""Describe: a sentence about a photo or a clip, word by word, with alternatives and attention for every word."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from pipeline.analysis.confidence import caption_text
from pipeline.models.caption import Caption, CaptionModel, EncoderOutput, frames_read, is_shipped
from pipeline.models.decoding import DecodingOptions, Hypothesis
from pipeline.report.subtitles import webvtt
from views.components import caption_figure, clip_figure
from views.components.input_controls import controls
from views.components.save_reading import save_reading
from views.session.clip_area import clip_area, load_beside
from views.session.encoded_clip import EncodedClip
from views.session.replays import captions_per_frame, frame_regions
from views.session.resources import caption_model
from views.session.taught import caption_cell
from views.session.visit import Visit

BEAMS = (1, 10)  # narrowest and widest


class Columns(NamedTuple):
    """The picture to the left, the sentence to the right."""

    picture: DeltaGenerator
    sentence: DeltaGenerator


def page() -> None:
    st.title("What is there to see?")
    st.markdown(
        "The same CNN looks; a recurrent network writes, one word after another, each word fed back as its next input. "
        "Point at a word to see what else it could have been, and where the network looked for it."
    )
    visit = controls(taught=False)
    with clip_area(visit):
        left, place, clip = load_beside(visit, "telling")
        if clip is not None:
            describe(clip, visit, Columns(left, place))
            save_reading(clip, visit.clip_file(), visit.cell)


def describe(clip: EncodedClip, visit: Visit, columns: Columns) -> None:
    """Everything about one clip."""
    cell = caption_cell(visit.cell)
    kind, frame, options = settings(clip, cell)
    model = caption_model(kind, cell)
    if kind == "clip":
        describe_clip(clip, model, visit, options, columns)
    else:
        describe_picture(clip, frame, model, f"{kind}-{cell}", options, columns)
    st.caption(" ".join(model.limits))


def settings(clip: EncodedClip, cell: str) -> tuple[str, int, DecodingOptions]:
    """The controls under the picture -> the kind of captioner, the frame it is shown, and how it chooses words."""
    what, how, fine = st.columns(3, gap="large")
    with what:
        kind, frame = choose_captioner(clip, cell)
    drawn = how.segmented_control(
        "choose words",
        ["the likeliest", "at random"],
        default="the likeliest",
        key="how",
        persist_state="session",
        required=True,
    )
    if drawn == "the likeliest":
        width = fine.slider(
            "beam width",
            *BEAMS,
            DecodingOptions.beam_width,
            key="beam",
            persist_state="session",
            help="How many sentences are kept while writing.",
        )
        return kind, frame, DecodingOptions(width)
    temperature = fine.slider(
        "temperature", 0.1, 1.5, 0.7, 0.1, key="temperature", persist_state="session", help="Above 1: wilder."
    )
    seed = st.session_state.setdefault("seed", 0)
    if fine.button("Draw again", icon=":material/casino:", key="again"):
        seed = st.session_state["seed"] = seed + 1
    return kind, frame, DecodingOptions(1, temperature, seed=seed)


def choose_captioner(clip: EncodedClip, cell: str) -> tuple[str, int]:
    """What is described: the whole clip, or one frame of it, and then by which of the two photo captioners."""
    frame = 0
    if clip.kind != "photo":
        whole = st.segmented_control(
            "describe",
            ["the clip", "one frame"],
            default="the clip",
            key="what",
            persist_state="session",
            required=True,
        )
        if whole == "the clip":
            return "clip", frame
        if len(clip.features) > 1:
            frame = (
                st.slider(
                    "frame", 1, len(clip.features), len(clip.features) // 2 + 1, key=f"frame-{len(clip.features)}"
                )
                - 1
            )
    if not is_shipped("plain", cell):
        return "photo", frame
    again = st.toggle(
        "look again before every word",
        value=True,
        key="attends",
        persist_state="session",
        help="Off: it sees the picture only once.",
    )
    return ("photo" if again else "plain"), frame


def describe_picture(
    clip: EncodedClip,
    frame: int,
    model: CaptionModel,
    name: str,
    options: DecodingOptions,
    columns: Columns,
) -> None:
    regions, grid = frame_regions(clip, frame)
    encoded = model.encode_array(regions[None])
    sentence = f"{clip.digest}-{frame}-{name}"
    with columns.picture:
        caption_figure.photo(clip.digest, sentence, clip.pictures[frame], grid)
    with columns.sentence:
        caption, others = generate_caption(model, encoded, options)
        caption_figure.words(clip.digest, sentence, "photo", [0.0], [0], [caption], model.threshold)
    if caption.steps[0].attention is None:
        st.caption("This network saw the picture once, before its first word; there is nowhere for it to look.")
    else:
        caption_figure.maps(clip.digest, sentence, clip.pictures[frame], grid, caption)
    alternatives(model, others)
    downloads(caption)


def describe_clip(
    clip: EncodedClip, model: CaptionModel, visit: Visit, options: DecodingOptions, columns: Columns
) -> None:
    encoded = model.encode(clip.features)
    sentence = f"{clip.digest}-{caption_cell(visit.cell)}"
    with columns.sentence:
        caption, others = generate_caption(model, encoded, options)
        per_frame = [*captions_per_frame(clip, visit.cell)[:-1], caption]
        times = [frame.time for frame in clip.features]
        read = frames_read(times)
        caption_figure.words(clip.digest, sentence, "video", times, read, per_frame, model.threshold)
    sentences = [caption_text(caption.text, caption.is_confident) for caption in per_frame]
    subtitles = webvtt([times[k] for k in read], sentences, clip.duration)
    with columns.picture, st.container(key="player"):
        file = visit.clip_file()
        if clip.mime and file:
            st.video(file.data, format=clip.mime, muted=True, subtitles={"as the clip goes on": subtitles.encode()})
        else:
            clip_figure.stage(clip)
    caption_figure.moments(clip.digest, sentence, times, clip.duration, clip.pictures, read, per_frame)
    alternatives(model, others)
    downloads(caption, subtitles)


def generate_caption(
    model: CaptionModel, encoded: EncoderOutput, options: DecodingOptions
) -> tuple[Caption, Sequence[Hypothesis]]:
    """Show the sentence where it will stand, after each word -> the caption, and the other sentences of the beam."""
    place = st.empty()
    slot = place.container(key="writing").empty()
    for draft in model.generate(encoded, options):
        slot.markdown(draft.text)
    place.empty()
    assert draft.caption is not None  # the last draft is complete
    return draft.caption, draft.others


def alternatives(model: CaptionModel, others: Sequence[Hypothesis]) -> None:
    if others:
        with st.expander(f"The other {len(others)} sentences that the beam kept"):
            st.dataframe(
                [{"sentence": model.text(h), "score": round(h.score, 2)} for h in others],
                hide_index=True,
                width="stretch",
                column_config={"score": st.column_config.NumberColumn(width="small", format="%.2f")},
            )


def downloads(caption: Caption, subtitles: str | None = None) -> None:
    row = st.container(horizontal=True)
    row.download_button("JSON", as_json(caption), "caption.json", "application/json", icon=":material/download:")
    if subtitles:
        row.download_button("Subtitles (WebVTT)", subtitles, "caption.vtt", "text/vtt", icon=":material/subtitles:")


def as_json(caption: Caption) -> str:
    words = [
        {
            "word": step.word,
            "probability": round(step.probability, 4),
            "alternatives": [[word, round(p, 4)] for word, p in step.alternatives],
            "attention": None if step.attention is None else [round(float(a), 4) for a in step.attention],
        }
        for step in caption.steps
    ]
    data = {"caption": caption.text, "sure": caption.is_confident, "confidence": round(caption.confidence, 4)}
    return json.dumps({**data, "words": words}, indent=1)
