"""The account of a reading as plain data, ready to be drawn: by the app's pages, and by a page that needs no server.

Everything here is numbers, short strings and JPEGs as data URIs, so that it can be sent as JSON.

Shapes: T steps, L labels, H hidden size.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.analysis.change_points import changes, changes_per_second, top_labels
from pipeline.analysis.confidence import is_confident
from pipeline.analysis.label_spelling import spell_label
from pipeline.analysis.reading import Prediction, answers
from pipeline.analysis.segments import segments, shot_boundaries, sliding_window_predictions
from pipeline.models.action import ActionModel, ActionStep
from pipeline.models.encoder import FrameFeatures

LINES = 6  # labels that get a colour and a line
NEW_LINES = 3  # that another order may put in place of lines it does not need; the others keep their colours
TOP = 5  # labels that get a bar

Data = dict[str, Any]


def data_uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def verdict(model: ActionModel, steps: Sequence[ActionStep], answer: Prediction) -> Data:
    """The top five after every frame with what each gained or lost by it, whether the first is the answer, and from
    which step on the final answer stands (None: it is not sure)."""
    tops, before = [], steps[0].probabilities
    for step in steps:
        now, gained = step.probabilities, step.probabilities - before
        order = np.argsort(-now, kind="stable")[:TOP]
        tops.append([[model.labels[k], round(float(now[k]), 4), round(float(gained[k]), 4)] for k in order])
        before = now
    return {
        "tops": tops,
        "sure": [is_confident(step.probabilities.max(), model.threshold) for step in steps],
        "coloured": chart_labels(model, steps),
        "threshold": model.threshold,
        "decided": answer.decided_step,
    }


def timeline(
    model: ActionModel,
    features: Sequence[FrameFeatures],
    steps: Sequence[ActionStep],
    answer: Prediction,
    duration: float,
) -> Data:
    """The curves of the likeliest labels, who leads with memory and without it, and the hidden state as bytes."""
    names = chart_labels(model, steps)
    columns = [model.labels.index(name) for name in names]
    values = np.stack([step.probabilities for step in steps])
    hidden = np.stack([step.hidden for step in steps])
    hidden = hidden[:, np.argsort(hidden.mean(0))]  # units that agree stand together
    leading = top_labels(values)
    alone = top_labels(model.per_frame_probabilities(features))
    return {
        "names": names,
        "values": np.round(values[:, columns], 4).T.tolist(),
        "leaders": [model.labels[k] for k in leading],
        "answers": answers(model, steps),
        "alone": [model.labels[k] for k in alone],
        "rates": [round(changes_per_second(each, duration), 2) for each in (leading, alone)],
        "changes": changes(leading),
        "threshold": model.threshold,
        "hidden": base64.b64encode(np.round(hidden * 127).astype(np.int8).tobytes()).decode(),
        "units": hidden.shape[1],
    }


def comparison(
    model: ActionModel, steps: Sequence[ActionStep], other: Sequence[ActionStep], order: Sequence[int]
) -> Data:
    """The curves of a clip as it is, and of the same frames in another order (see whatif)."""
    names, others = chart_labels(model, steps), chart_labels(model, other)
    for new in [name for name in others[:NEW_LINES] if name not in names]:
        names[names.index([name for name in names if name not in others][-1])] = new
    columns = [model.labels.index(name) for name in names]
    values = np.stack([step.probabilities for step in steps])[:, columns]
    read = {step.index: step.probabilities[columns] for step in other}
    lines = [[round(float(read[t][k]), 4) if t in read else None for t in range(len(steps))] for k in range(len(names))]
    return {
        "order": list(order),
        "names": names,
        "values": np.round(values, 4).T.tolist(),
        "other": lines,
        "leaders": [model.labels[k] for k in top_labels(np.stack([step.probabilities for step in steps]))],
        "changes": [],
        "threshold": model.threshold,
    }


def letters(model: ActionModel, steps: Sequence[ActionStep]) -> Data:
    """The likeliest label spelled after every frame: each letter, its probability, what else could have stood there,
    and how many labels are still possible."""
    next_letters = [
        [
            [each.letter, round(each.probability, 3), [[c, round(p, 3)] for c, p in each.others], each.labels]
            for each in spell_label(step.probabilities, model.labels)
        ]
        for step in steps
    ]
    sure = [is_confident(step.probabilities.max(), model.threshold) for step in steps]
    return {"spelled": next_letters, "sure": sure, "labels": len(model.labels)}


def segments_data(model: ActionModel, features: Sequence[FrameFeatures], duration: float, names: Sequence[str]) -> Data:
    """A long clip's stretches of one label each, read piece by piece; ``names`` are the labels that have a colour."""
    scenes = shot_boundaries(features)
    probabilities = sliding_window_predictions(model, features, scenes)
    times = [frame.time for frame in features]
    found = segments(probabilities, times, duration, scenes)
    rows = [
        [
            *(round(s.start, 2), round(s.end, 2), model.labels[s.label], round(s.probability, 3), s.first in scenes),
            is_confident(s.probability, model.threshold),
        ]
        for s in found
    ]
    return {"pieces": rows, "coloured": list(names), "threshold": model.threshold, "read": len(features)}


def chart_labels(model: ActionModel, steps: Sequence[ActionStep]) -> list[str]:
    """The labels worth a line: those that were likeliest at some step, most of all the final ones."""
    values = np.stack([step.probabilities for step in steps])
    weight = values.max(0) + 2 * values[-1]
    return [model.labels[k] for k in np.argsort(-weight, kind="stable")[:LINES]]


def time_axis(kind: str, digest: str, times: Sequence[float], duration: float) -> Data:
    """What every part on a clip's time axis is told; ``digest`` is the clip's name among them."""
    return {"clip": digest, "kind": kind, "times": [round(t, 3) for t in times], "duration": duration}
