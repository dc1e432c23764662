"""The interactive picture of a reading: what was seen, what was said after each frame, on one time axis.

Three parts of one component, which speak to each other in the browser (an event on the document), so that hovering,
scrubbing and playing need no rerun: ``stage`` shows the frame at the cursor where no player can, ``verdict`` the
answer at the cursor, and ``timeline`` the film strip, the chart and the hidden state.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.action import ActionModel, ActionStep, Verdict
from pipeline.moments import changes, changes_per_second, leaders
from views.component import component, data_uri
from views.loaded import EncodedClip

LINES = 6  # labels that get a colour and a line
NEW_LINES = 3  # that another order may put in place of lines it does not need; the others keep their colours
TOP = 5  # labels that get a bar

_component = component("reading")


def stage(clip: EncodedClip) -> None:
    """The frame at the cursor, large: for photos, and for videos that a browser cannot play."""
    _mount("stage", clip, {"pictures": [data_uri(p) for p in clip.pictures]})


def verdict(clip: EncodedClip, model: ActionModel, steps: tuple[ActionStep, ...], answer: Verdict) -> None:
    """The label and the top five, after the last frame or after the one at the cursor."""
    names = _lines(model, steps)
    tops = []
    for step in steps:
        order = np.argsort(-step.probabilities, kind="stable")[:TOP]
        tops.append([[model.labels[k], round(float(step.probabilities[k]), 4)] for k in order])
    data = {"tops": tops, "coloured": names, "threshold": model.threshold, "decided": answer.decided_at}
    _mount("verdict", clip, data)


def timeline(clip: EncodedClip, model: ActionModel, steps: tuple[ActionStep, ...], answer: Verdict) -> None:
    """Film strip, probabilities after each frame and hidden state; the cursor is moved by mouse, touch or keys."""
    names = _lines(model, steps)
    columns = [model.labels.index(name) for name in names]
    values = np.stack([step.probabilities for step in steps])
    hidden = np.stack([step.hidden for step in steps])
    hidden = hidden[:, np.argsort(hidden.mean(0))]  # units that agree stand together
    leading = leaders(values)
    alone = leaders(model.glance(clip.features))
    data = {
        "pictures": [data_uri(p) for p in clip.pictures],
        "names": names,
        "values": np.round(values[:, columns], 4).T.tolist(),
        "leaders": [model.labels[k] for k in leading],
        "alone": [model.labels[k] for k in alone],
        "rates": [round(changes_per_second(each, clip.duration), 2) for each in (leading, alone)],
        "changes": changes(leading),
        "threshold": model.threshold,
        "decided": answer.decided_at,
        "hidden": base64.b64encode(np.round(hidden * 127).astype(np.int8).tobytes()).decode(),
        "units": hidden.shape[1],
    }
    _mount("timeline", clip, data)


def comparison(
    clip: EncodedClip,
    model: ActionModel,
    steps: tuple[ActionStep, ...],
    other: Sequence[ActionStep],
    order: Sequence[int],
) -> None:
    """The curves of a clip as it is, and of the same frames in another order (see whatif), over each other."""
    names = _lines(model, steps)
    for new in [name for name in _lines(model, other)[:NEW_LINES] if name not in names]:
        names[names.index([name for name in names if name not in _lines(model, other)][-1])] = new
    columns = [model.labels.index(name) for name in names]
    values = np.stack([step.probabilities for step in steps])[:, columns]
    read = {step.index: step.probabilities[columns] for step in other}
    lines = [[round(float(read[t][k]), 4) if t in read else None for t in range(len(steps))] for k in range(len(names))]
    data = {
        "pictures": [data_uri(p) for p in clip.pictures],
        "order": list(order),
        "names": names,
        "values": np.round(values, 4).T.tolist(),
        "other": lines,
        "leaders": [model.labels[k] for k in leaders(np.stack([step.probabilities for step in steps]))],
        "changes": [],
        "threshold": model.threshold,
    }
    _mount("comparison", clip, data)


def _lines(model: ActionModel, steps: Sequence[ActionStep]) -> list[str]:
    """The labels worth a line: those that were likeliest at some step, most of all the final ones."""
    values = np.stack([step.probabilities for step in steps])
    weight = values.max(0) + 2 * values[-1]
    return [model.labels[k] for k in np.argsort(-weight, kind="stable")[:LINES]]


def _mount(part: str, clip: EncodedClip, data: dict[str, Any]) -> None:
    times = [round(frame.time, 3) for frame in clip.features]
    shared = {"part": part, "clip": clip.digest, "kind": clip.kind, "times": times, "duration": clip.duration}
    _component(key=f"reading-{part}", data={**shared, **data})
