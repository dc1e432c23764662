"""The interactive picture of a reading: what was seen, what was said after each frame, on one time axis.

Parts of one component, which speak to each other in the browser (an event on the document), so that hovering,
scrubbing and playing need no rerun: ``stage`` shows the frame at the cursor where no player can, ``verdict`` the
answer at the cursor, ``timeline`` the film strip, the chart and the hidden state, ``letters`` the answer's spelling,
``pieces`` the stretches of a long clip, and ``comparison`` the same frames in another order.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.analysis.reading import Prediction
from pipeline.models.action import ActionModel, ActionStep
from pipeline.models.caption import Caption
from pipeline.report import figure_data, figure_sources
from views.components.component import component
from views.session.encoded_clip import EncodedClip

_component = component("clip_figure", figure_sources.CLIP_FIGURE)


def stage(clip: EncodedClip) -> None:
    """The frame at the cursor, large: for photos, and for videos that a browser cannot play."""
    _mount("stage", clip, {"pictures": clip.data_uris})


def verdict(
    clip: EncodedClip, model: ActionModel, steps: tuple[ActionStep, ...], answer: Prediction, said: Sequence[Caption]
) -> None:
    """The label, the top five and the caption, after the last frame or after the one at the cursor."""
    captions = [[caption.text, caption.is_confident] for caption in said]
    _mount("verdict", clip, {**figure_data.verdict(model, steps, answer), "said": captions})


def timeline(clip: EncodedClip, model: ActionModel, steps: tuple[ActionStep, ...], answer: Prediction) -> None:
    """Film strip, probabilities after each frame and hidden state; the cursor is moved by mouse, touch or keys."""
    data = figure_data.timeline(model, clip.features, steps, answer, clip.duration)
    _mount("timeline", clip, {"pictures": clip.data_uris, **data})


def letters(clip: EncodedClip, model: ActionModel, steps: tuple[ActionStep, ...]) -> None:
    """The likeliest label after the frame at the cursor, spelled letter by letter."""
    _mount("letters", clip, figure_data.letters(model, steps))


def pieces(clip: EncodedClip, closer: EncodedClip, model: ActionModel, steps: tuple[ActionStep, ...]) -> None:
    """A long clip's stretches; ``closer`` is the same clip, read at more moments."""
    names = figure_data.chart_labels(model, steps)
    _mount("pieces", clip, figure_data.segments_data(model, closer.features, clip.duration, names))


def comparison(
    clip: EncodedClip,
    model: ActionModel,
    steps: tuple[ActionStep, ...],
    other: Sequence[ActionStep],
    order: Sequence[int],
) -> None:
    """The curves of a clip as it is, and of the same frames in another order (see whatif), over each other."""
    _mount("comparison", clip, {"pictures": clip.data_uris, **figure_data.comparison(model, steps, other, order)})


def _mount(part: str, clip: EncodedClip, data: figure_data.Data) -> None:
    times = [frame.time for frame in clip.features]
    shared = figure_data.time_axis(clip.kind, clip.digest, times, clip.duration)
    _component(key=f"reading-{part}", data={"part": part, **shared, **data})
