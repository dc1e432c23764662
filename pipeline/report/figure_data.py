"""The data of the figures, for the app's pages and for the HTML page: what is drawn, in which order and colour.

Everything here is numbers, short strings and JPEGs as data URIs, so that it can be sent as JSON. A label has the colour
of PALETTE at its place in ``names`` or ``coloured``.

Shapes: T steps, L labels, H hidden size.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.analysis.change_points import changes_per_second, top_labels
from pipeline.analysis.confidence import is_confident
from pipeline.analysis.label_spelling import spell_label
from pipeline.analysis.reading import ClipReading
from pipeline.analysis.segments import passage_predictions, segments, shot_boundaries
from pipeline.models.action import ActionModel
from pipeline.models.caption import Caption
from pipeline.models.encoder import FrameFeatures
from pipeline.models.video_encoder import VideoEncoder

# Okabe & Ito's palette without its yellow and black: colour-blind people can tell the colours apart, and they
# are visible on light and dark.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
LINES = len(PALETTE)  # labels with a colour and a curve
NEW_LINES = 3  # curves that another order may replace; the other labels keep their colours
TOP = 5  # labels with a bar
FILM = 24  # pictures of a film strip at most

Data = dict[str, Any]
Film = list[tuple[str | None, int]]


def data_uri(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def film(pictures: Sequence[bytes | None], shown: Sequence[int] | None = None) -> Film:
    """The film strip of a clip of T frames, from the JPEG of each (None: the frame is not read): the pictures of the
    frames ``shown``, the first one among them, and the number of steps that each stands for. By default every frame, or
    every n-th, so that there are at most FILM pictures and they are not too narrow."""
    steps = range(0, len(pictures), -(-len(pictures) // FILM)) if shown is None else shown
    following = [*steps[1:], len(pictures)]
    return [
        (None if (jpeg := pictures[k]) is None else data_uri(jpeg), after - k)
        for k, after in zip(steps, following, strict=True)
    ]


def said(captions: Sequence[Caption], read: Sequence[int], steps: int) -> list[tuple[str, bool]]:
    """The sentence after each of so many steps and whether it is certain; ``captions`` are those after the frames that
    were ``read``."""
    latest = np.searchsorted(read, np.arange(steps), "right") - 1
    return [(captions[k].text, captions[k].is_confident) for k in latest]


def verdict(reading: ClipReading) -> Data:
    """The TOP labels after every frame with the change of each, whether the first is the answer, and from which step on
    the final answer stands (``decided``; None: the final prediction is not confident)."""
    tops, before = [], reading.probabilities[0]
    for now in reading.probabilities:
        gained = now - before
        order = np.argsort(-now, kind="stable")[:TOP]
        tops.append([[reading.labels[k], round(float(now[k]), 4), round(float(gained[k]), 4)] for k in order])
        before = now
    return {
        "tops": tops,
        "sure": reading.confident,
        "coloured": chart_labels(reading),
        "threshold": reading.threshold,
        "decided": reading.prediction.decided_step,
    }


def timeline(reading: ClipReading, model: ActionModel, features: Sequence[FrameFeatures]) -> Data:
    """Probability curves, the leading label with and without recurrence, the answer at each step, and the hidden state
    as int8. The reading is the model's, of these features."""
    names = chart_labels(reading)
    hidden = reading.hidden[:, np.argsort(reading.hidden.mean(0))]  # units with similar means stand together
    alone = [reading.labels[k] for k in top_labels(model.per_frame_probabilities(features))]
    return {
        "names": names,
        "values": curves(reading, names),
        "leaders": reading.top_labels,
        "answers": reading.answers,
        "alone": alone,
        "rates": [round(changes_per_second(each, reading.duration), 2) for each in (reading.top_labels, alone)],
        "changes": reading.changes,
        "threshold": reading.threshold,
        "hidden": base64.b64encode(np.round(hidden * 127).astype(np.int8).tobytes()).decode(),
        "units": hidden.shape[1],
    }


def comparison(reading: ClipReading, other: ClipReading) -> Data:
    """The curves of a clip as it is, and of the same frames in another order (see analysis/what_if.py)."""
    names, others = chart_labels(reading), chart_labels(other)
    for new in [name for name in others[:NEW_LINES] if name not in names]:
        names[names.index([name for name in names if name not in others][-1])] = new
    columns = [reading.labels.index(name) for name in names]
    read = {step.index: step.probabilities[columns] for step in other.steps}
    steps = range(len(reading.steps))
    return {
        "names": names,
        "values": curves(reading, names),
        "other": [[round(float(read[t][k]), 4) if t in read else None for t in steps] for k in range(len(names))],
        "leaders": reading.top_labels,
        "changes": [],
        "threshold": reading.threshold,
    }


def letters(reading: ClipReading) -> Data:
    """The likeliest label spelled after every frame: each letter, its probability, the other letters at its place, and
    how many labels are still possible."""
    spelled = [
        [
            [each.letter, round(each.probability, 3), [[c, round(p, 3)] for c, p in each.others], each.labels]
            for each in spell_label(probabilities, reading.labels)
        ]
        for probabilities in reading.probabilities
    ]
    return {"spelled": spelled, "sure": reading.confident, "labels": len(reading.labels)}


def segments_data(
    model: ActionModel,
    video: VideoEncoder | None,
    features: Sequence[FrameFeatures],
    duration: float,
    names: Sequence[str],
) -> Data:
    """The segments of a long clip: [start, end, label, probability, whether a cut begins it] and whether the label is
    the answer; ``names`` are the labels with a colour, ``video`` is the encoder of the features."""
    cuts = shot_boundaries(features)
    probabilities = passage_predictions(model, video, features, cuts)
    clip_segments = segments(probabilities, [frame.time for frame in features], duration, cuts)
    rows = [
        [round(s.start, 2), round(s.end, 2), model.labels[s.label], round(s.probability, 3), s.first in cuts]
        for s in clip_segments
    ]
    return {
        "pieces": rows,
        "sure": [is_confident(s.probability, model.threshold) for s in clip_segments],
        "coloured": list(names),
        "threshold": model.threshold,
        "read": len(features),
    }


def chart_labels(reading: ClipReading) -> list[str]:
    """The labels with a curve: those that were likeliest at some step, above all those of the last step."""
    weight = reading.probabilities.max(0) + 2 * reading.probabilities[-1]
    return [reading.labels[k] for k in np.argsort(-weight, kind="stable")[:LINES]]


def curves(reading: ClipReading, names: Sequence[str]) -> list[list[float]]:
    """The probability of each of these labels after every frame."""
    columns = [reading.labels.index(name) for name in names]
    return np.round(reading.probabilities[:, columns], 4).T.tolist()


def time_axis(kind: str, digest: str, times: Sequence[float], duration: float) -> Data:
    """What every part of a clip's figure shares; ``digest`` names the clip."""
    return {
        "clip": digest,
        "kind": kind,
        "times": [round(t, 3) for t in times],
        "duration": duration,
        "palette": list(PALETTE),
    }
