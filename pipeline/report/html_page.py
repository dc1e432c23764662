"""An HTML page with a clip's whole frame-by-frame reading, which needs no server."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import NamedTuple

from pipeline.analysis.reading import read_features
from pipeline.analysis.segments import LONG_CLIP_SECONDS, STEPS
from pipeline.media.reader import open_clip
from pipeline.models.action import ActionModel, load_action
from pipeline.models.caption import BEAM, Caption, captioner_for, frames_read, load_caption
from pipeline.models.encoder import FrameFeatures, load_encoder
from pipeline.models.video_encoder import VideoEncoder
from pipeline.report import figure_data
from pipeline.report.figure_sources import CLIP_FIGURE, HERE, figure_source
from pipeline.sandbox.messages import Kind, printable

ABOUT = (
    "Read by Unroll: a CNN looks at each frame, a recurrent network ({cell}) remembers. It knows {labels} actions and "
    "nothing else; below {threshold:.2f} it names the kind of action that likely labels share, or says “not sure”."
)
TAUGHT_CELL = "GRU, taught"  # the cell of every taught recogniser


def page(path: Path, cell: str, name: str, taught: ActionModel | None = None) -> str:
    """The whole page of a file as HTML, with this name as its title; read by the shipped recogniser with this cell, or
    by a taught one."""
    stream = open_clip(path, name=name)  # it is decoded while the networks are loaded
    encoder, model = load_encoder(), taught or load_action(cell)
    features = encoder.encode_clip(stream)
    clip = stream.clip()
    captioner = load_caption(captioner_for(clip.kind), cell)
    captions = captioner.captions_per_frame(captioner.encode(features), BEAM)
    read = ReadClip(clip.kind, clip.duration, features, tuple(frame.preview_jpeg for frame in clip.frames))
    longer = None
    if clip.kind == "video" and clip.duration >= LONG_CLIP_SECONDS:
        longer = encoder.encode_clip(open_clip(path, STEPS, name))
    cell_name = TAUGHT_CELL if taught else cell.upper()
    return reading_page(read, model, encoder.video, captions, cell_name, name, longer)


class ReadClip(NamedTuple):
    """A clip that was encoded: ``pictures`` are JPEGs, one a frame."""

    kind: Kind
    duration: float  # seconds
    features: Sequence[FrameFeatures]
    pictures: Sequence[bytes]


def reading_page(
    clip: ReadClip,
    model: ActionModel,
    video: VideoEncoder | None,
    captions: Sequence[Caption],
    cell_name: str,
    name: str,
    longer: Sequence[FrameFeatures] | None = None,
) -> str:
    """The page of an encoded clip. ``captions`` are those after the frames that the captioner read, ``longer`` the
    features of more frames of a long clip, for its segments."""
    reading = read_features(model, clip.features, clip.duration)
    film = figure_data.film(clip.pictures)
    said = figure_data.said(captions, frames_read(reading.times), len(clip.features))
    parts: dict[str, figure_data.Data] = {
        "stage": {"film": film},
        "verdict": {**figure_data.verdict(reading), "said": said},
        "letters": figure_data.letters(reading),
    }
    if len(clip.features) > 1:
        parts["timeline"] = {"film": film, **figure_data.timeline(reading, model, clip.features)}
    if longer is not None:
        names = figure_data.chart_labels(reading)
        parts["pieces"] = figure_data.segments_data(model, video, longer, clip.duration, names)
    shared = figure_data.time_axis(clip.kind, "clip", reading.times, clip.duration)
    about = ABOUT.format(cell=cell_name, labels=len(model.actions), threshold=model.threshold)
    return filled(printable(name), about, {"shared": shared, "parts": parts})


def filled(title: str, about: str, data: figure_data.Data) -> str:
    style, script = (figure_source(CLIP_FIGURE, kind) for kind in ("css", "js"))
    return Template((HERE / "page.html").read_text(encoding="utf-8")).substitute(
        title=html.escape(title),
        about=html.escape(about),
        style=style,
        script=script.replace("export default function (component)", "function mount(component)"),
        account=json.dumps(data).replace("<", "\\u003c"),  # nothing in it can end the script element
    )
