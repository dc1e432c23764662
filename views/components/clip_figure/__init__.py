"""The figure of a clip's reading: the frames, and the prediction after each of them, on one time axis.

Parts of one component. They talk to each other in the browser (an event on the document), so hovering, scrubbing and
playing need no rerun. ``stage`` shows the frame at the cursor where no player can, ``verdict`` the prediction at the
cursor, ``timeline`` the film strip, the chart and the hidden state, ``letters`` the label's spelling, ``segments`` the
segments of a long clip, and ``comparison`` the same frames in another order.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from streamlit.delta_generator import DeltaGenerator

from pipeline.analysis.hedging import AnswerRule
from pipeline.analysis.reading import ClipReading
from pipeline.media.reader import MAX_STEPS
from pipeline.models.action import ActionModel, ActionStep
from pipeline.models.caption import Caption, frames_read
from pipeline.models.video_encoder import VideoEncoder
from pipeline.report import figure_data, figure_sources
from pipeline.sandbox.messages import ClipInfo
from pipeline.sandbox.sampling import expected_steps
from views.components.component import component
from views.session.encoded_clip import EncodedClip

_component = component("clip_figure", figure_sources.CLIP_FIGURE)

UNKNOWN_STEPS = 32  # columns that are kept free for a clip that does not say how long it is


class LiveReading:
    """The figure of a clip while it is read: each part is mounted once, and every step is sent once to all of them."""

    def __init__(self, clip: str, rule: AnswerRule, units: int, info: ClipInfo, feed: DeltaGenerator) -> None:
        """``clip`` is the digest; ``feed`` is a place that is not seen, for the messages to the figure."""
        self._rule, self._feed = rule, feed
        self._token = secrets.token_hex(4)
        expected = expected_steps(info.claimed_duration, MAX_STEPS) or UNKNOWN_STEPS
        self._shared = {
            **figure_data.time_axis(info.kind, clip, [], info.claimed_duration),
            **figure_data.begun(rule, units, self._token, expected),
        }
        self._picture_every = -(-expected // figure_data.FILM)
        self._first: ActionStep | None = None
        self._before: ActionStep | None = None

    def mount(self, part: str) -> None:
        _component(key=f"reading-{part}", data={"part": part, **self._shared})

    def add(self, step: ActionStep, alone: str, picture: bytes) -> None:
        self._first = self._first or step
        shown = picture if step.index % self._picture_every == 0 else None
        before = self._before or step
        self._send(
            f"step-{step.index}", step=figure_data.step_data(self._rule, step, before, self._first, alone, shown)
        )
        self._before = step

    def finish(self, clip: EncodedClip, reading: ClipReading, model: ActionModel) -> None:
        """What the whole reading adds to its steps."""
        done = {
            "times": [round(frame.time, 3) for frame in clip.features],
            "duration": clip.duration,
            "film": clip.film,
            "verdict": figure_data.verdict(reading),
            "timeline": figure_data.timeline(reading, model, clip.features),
        }
        self._send("done", done=done)

    def say(self, clip: EncodedClip, captions: Sequence[Caption]) -> None:
        self._send("said", said=sentences(clip, captions))

    def _send(self, name: str, **message: object) -> None:
        with self._feed:
            _component(key=f"feed-{self._token}-{name}", data={"part": "feed", "live": self._token, **message})


def sentences(clip: EncodedClip, captions: Sequence[Caption]) -> list[tuple[str, bool]]:
    """The sentence after every frame; ``captions`` are those after the frames that the captioner read."""
    times = [frame.time for frame in clip.features]
    return figure_data.said(captions, frames_read(times), len(times))


def stage(clip: EncodedClip) -> None:
    """The frame at the cursor, large: for photos, and for videos that a browser cannot play."""
    _mount("stage", clip, {"film": clip.film})


def verdict(clip: EncodedClip, reading: ClipReading, captions: Sequence[Caption]) -> None:
    """The label, the top five and the caption, after the frame at the cursor; ``captions`` are those after the frames
    that the captioner read."""
    _mount("verdict", clip, {**figure_data.verdict(reading), "said": sentences(clip, captions)})


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


def deciding(clip: EncodedClip, frames: Sequence[int], says: str) -> None:
    """The film strip with these frames lifted out, under what is said of them."""
    _mount("deciding", clip, {"film": clip.film, "frames": list(frames), "says": says})


def comparison(clip: EncodedClip, reading: ClipReading, other: ClipReading, order: Sequence[int]) -> None:
    """The curves of a clip as it is, and of the same frames in another order (see analysis/what_if.py)."""
    pictures = [clip.pictures[k] if k >= 0 else None for k in order]
    _mount("comparison", clip, {"film": figure_data.film(pictures), **figure_data.comparison(reading, other)})


def _mount(part: str, clip: EncodedClip, data: figure_data.Data) -> None:
    times = [frame.time for frame in clip.features]
    shared = figure_data.time_axis(clip.kind, clip.digest, times, clip.duration)
    _component(key=f"reading-{part}", data={"part": part, **shared, **data})
