"""The figure of a clip's reading: the frames, and the prediction after each of them, on one time axis.

Parts of one component. They talk to each other in the browser (an event on the document), so hovering, scrubbing and
playing need no rerun. ``stage`` shows the frame at the cursor where no player can, ``verdict`` the prediction at the
cursor, ``timeline`` the film strip, the chart and the hidden state, ``letters`` the label's spelling, ``segments`` the
segments of a long clip, and ``comparison`` the same frames in another order.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.analysis.reading import ClipReading
from pipeline.models.action import ActionModel
from pipeline.models.caption import Caption, frames_read
from pipeline.models.video_encoder import VideoEncoder
from pipeline.report import figure_data, figure_sources
from views.components.component import component
from views.session.encoded_clip import EncodedClip

_component = component("clip_figure", figure_sources.CLIP_FIGURE)


def stage(clip: EncodedClip) -> None:
    """The frame at the cursor, large: for photos, and for videos that a browser cannot play."""
    _mount("stage", clip, {"film": clip.film})


def verdict(clip: EncodedClip, reading: ClipReading, captions: Sequence[Caption]) -> None:
    """The label, the top five and the caption, after the frame at the cursor; ``captions`` are those after the frames
    that the captioner read."""
    times = [frame.time for frame in clip.features]
    said = figure_data.said(captions, frames_read(times), len(times))
    _mount("verdict", clip, {**figure_data.verdict(reading), "said": said})


def timeline(clip: EncodedClip, reading: ClipReading, model: ActionModel) -> None:
    """Film strip, probabilities after each frame and hidden state; mouse, touch or keys move the cursor."""
    _mount("timeline", clip, {"film": clip.film, **figure_data.timeline(reading, model, clip.features)})


def letters(clip: EncodedClip, reading: ClipReading) -> None:
    """The likeliest label after the frame at the cursor, spelled letter by letter."""
    _mount("letters", clip, figure_data.letters(reading))


def segments(
    clip: EncodedClip, longer: EncodedClip, model: ActionModel, video: VideoEncoder | None, reading: ClipReading
) -> None:
    """The segments of a long clip; ``longer`` is the same clip with more frames."""
    names = figure_data.chart_labels(reading)
    _mount("pieces", clip, figure_data.segments_data(model, video, longer.features, clip.duration, names))


def comparison(clip: EncodedClip, reading: ClipReading, other: ClipReading, order: Sequence[int]) -> None:
    """The curves of a clip as it is, and of the same frames in another order (see analysis/what_if.py)."""
    pictures = [clip.pictures[k] if k >= 0 else None for k in order]
    _mount("comparison", clip, {"film": figure_data.film(pictures), **figure_data.comparison(reading, other)})


def _mount(part: str, clip: EncodedClip, data: figure_data.Data) -> None:
    times = [frame.time for frame in clip.features]
    shared = figure_data.time_axis(clip.kind, clip.digest, times, clip.duration)
    _component(key=f"reading-{part}", data={"part": part, **shared, **data})
