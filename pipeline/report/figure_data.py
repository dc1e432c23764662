"""The data of the figures, for the app's pages and for the HTML page: what is drawn, in which order and colour.

Everything here is numbers, short strings and JPEGs as data URIs, so that it can be sent as JSON. A label has the colour
of PALETTE at its place in ``names`` or ``coloured``. A broad label that is said somewhere in the clip as a sum (see
analysis/hedging.py) has the curve of that sum.

Shapes: T steps, L labels, H hidden size.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from pipeline.analysis.change_points import changes_per_second
from pipeline.analysis.hedging import Answer, AnswerRule
from pipeline.analysis.label_spelling import spell_label
from pipeline.analysis.reading import ClipReading, answer_rule
from pipeline.analysis.segments import merged, passage_predictions, segments, shot_boundaries
from pipeline.models.action import ActionModel, ActionStep
from pipeline.models.caption import Caption
from pipeline.models.encoder import FrameFeatures
from pipeline.models.video_encoder import VideoEncoder

# Okabe & Ito's palette without its yellow and black: colour-blind people can tell the colours apart, and they
# are visible on light and dark.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
LINES = len(PALETTE)  # labels with a colour and a curve
NEW_LINES = 3  # curves that another order may replace; the other labels keep their colours
TOP = 5  # labels with a bar
LIVE_TOP = 8  # labels that a step tells while a clip is read: the bars, and the curves of others
PARTS = 2  # parts of a sum that are named where there are no bars
BLOCKS = 12  # a block of a long clip is at least one such part of it, so that its label can be read
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
    """The answer and the TOP labels after every frame, and from which step on the final answer stands (``decided``;
    None: the final answer is not sure). A top label has its probability, the change of that, and whether it counts
    towards the answer's sum."""
    tops, before = [], reading.probabilities[0]
    for now, answer in zip(reading.probabilities, reading.answers, strict=True):
        tops.append(top_rows(reading.rule, now, before, answer, TOP))
        before = now
    return {
        "answers": [answer_data(answer) for answer in reading.answers],
        "tops": tops,
        "coloured": chart_labels(reading),
        "threshold": reading.rule.threshold,
        "actions": reading.rule.action_count,
        "decided": reading.prediction.decided_step,
    }


def top_rows(rule: AnswerRule, now: np.ndarray, before: np.ndarray, answer: Answer, count: int) -> list[list[Any]]:
    """The likeliest labels after a step, from its probabilities and those of the step before, each (L,): the label, its
    probability, the change of that, and whether it counts towards the answer's sum."""
    gained, parts = now - before, dict(answer.parts)
    rows = [(rule.labels[k], float(now[k]), float(gained[k])) for k in rule.ranked(now)[:count]]
    return [[name, round(p, 4), round(gain, 4), name in parts] for name, p, gain in rows]


def begun(rule: AnswerRule, units: int, live: str, expected: int) -> Data:
    """A reading that begins: the verdict and the timeline before the first of so many expected steps. ``live`` names
    the reading; its steps follow one by one, each as ``step_data``."""
    return {
        "live": live,
        "expected": expected,
        "threshold": rule.threshold,
        "actions": rule.action_count,
        "units": units,
        "hidden": "",
        **{name: [] for name in ("film", "answers", "tops", "coloured", "said", "names", "sums", "values")},
        **{name: [] for name in ("leaders", "alone", "rates", "changes")},
    }


def step_data(
    rule: AnswerRule, step: ActionStep, before: ActionStep, first: ActionStep, alone: str, picture: bytes | None
) -> Data:
    """One step of a reading that is under way: as much for the thousandth as for the second. ``before`` and ``first``
    are the step before and the first one, ``alone`` is the label of the frame by itself."""
    answer = rule.answer(step.probabilities)
    return {
        "index": step.index,
        "time": round(step.time, 3),
        "answer": answer_data(answer),
        "top": top_rows(rule, step.probabilities, before.probabilities, answer, LIVE_TOP),
        "text": answer.text,
        "leader": answer.label,
        "alone": alone,
        "hidden": hidden_bytes(step.hidden[None], first.hidden),
        "picture": picture and data_uri(picture),
    }


def hidden_bytes(hidden: np.ndarray, first: np.ndarray) -> str:
    """Hidden states (T, H) as int8, base64. The units are sorted by the first state (H,), so that those that begin
    alike stand together, and the order is known when the clip begins."""
    return base64.b64encode(np.round(hidden[:, np.argsort(first)] * 127).astype(np.int8).tobytes()).decode()


def answer_data(answer: Answer) -> Data:
    """An answer; of a sum also its likeliest ``parts``, and the ``count`` of all, which is 0 if it is no sum.

    ``nothing`` tells whether it says that nobody does anything; ``nearest`` is the probability of the label if the clip
    shows something that was learned, and None unless it seems to show nothing of the kind."""
    return {
        "label": answer.label,
        "probability": round(answer.probability, 4),
        "sure": answer.is_sure,
        "nothing": answer.is_no_action,
        "nearest": round(answer.probability_if_known, 4) if answer.is_unknown else None,
        "parts": [[label, round(p, 4)] for label, p in answer.parts[:PARTS]],
        "count": len(answer.parts),
    }


def timeline(reading: ClipReading, model: ActionModel, features: Sequence[FrameFeatures]) -> Data:
    """Probability curves, the leading label with and without recurrence, the answer at each step in words, and the
    hidden state as int8. The reading is the model's, of these features."""
    names, leading = chart_labels(reading), reading.leading
    alone = [answer.label for answer in reading.rule.answers(model.per_frame_probabilities(features))]
    return {
        "names": names,
        "sums": [name in sums_said(reading) for name in names],
        "values": curves(reading, names),
        "leaders": leading,
        "answers": [answer.text for answer in reading.answers],
        "alone": alone,
        "rates": [round(changes_per_second(each, reading.duration), 2) for each in (leading, alone)],
        "changes": reading.changes,
        "threshold": reading.rule.threshold,
        "hidden": hidden_bytes(reading.hidden, reading.hidden[0]),
        "units": reading.hidden.shape[1],
    }


def comparison(reading: ClipReading, other: ClipReading) -> Data:
    """The curves of a clip as it is, and of the same frames in another order (see analysis/what_if.py)."""
    names, others = chart_labels(reading), chart_labels(other)
    for new in [name for name in others[:NEW_LINES] if name not in names]:
        names[names.index([name for name in names if name not in others][-1])] = new
    summed = sums_said(reading) | sums_said(other)
    values = zip([step.index for step in other.steps], zip(*curves(other, names, summed), strict=True), strict=True)
    read, steps = dict(values), range(len(reading.steps))
    return {
        "names": names,
        "sums": [name in summed for name in names],
        "values": curves(reading, names, summed),
        "other": [[read[t][k] if t in read else None for t in steps] for k in range(len(names))],
        "leaders": reading.leading,
        "changes": [],
        "threshold": reading.rule.threshold,
    }


def letters(reading: ClipReading) -> Data:
    """The likeliest label spelled after every frame: each letter, its probability, the other letters at its place, and
    how many labels are still possible. ``sure`` tells whether this label is the answer."""
    spelled = [
        [
            [each.letter, round(each.probability, 3), [[c, round(p, 3)] for c, p in each.others], each.labels]
            for each in spell_label(probabilities, reading.labels)
        ]
        for probabilities in reading.probabilities
    ]
    sure = [answer.is_sure and not answer.is_sum for answer in reading.answers]
    return {"spelled": spelled, "sure": sure, "labels": len(reading.labels)}


def segments_data(
    model: ActionModel,
    video: VideoEncoder | None,
    features: Sequence[FrameFeatures],
    duration: float,
    names: Sequence[str],
) -> Data:
    """The segments of a long clip, each as [start, end, answer, whether a cut begins it]: all of them (``pieces``), and
    merged to ``blocks`` that are wide enough to be read. ``names`` are the labels with a
    colour, ``video`` is the encoder of the features."""
    cuts = shot_boundaries(features)
    probabilities = passage_predictions(model, video, features, cuts)
    times = [frame.time for frame in features]
    clip_segments = segments(answer_rule(model), probabilities, times, duration, cuts)
    blocks = merged(clip_segments, duration / BLOCKS)
    rows = [
        [[round(s.start, 2), round(s.end, 2), answer_data(s.answer), s.first in cuts] for s in each]
        for each in (clip_segments, blocks)
    ]
    return {
        "pieces": rows[0],
        "blocks": rows[1],
        "coloured": list(names),
        "threshold": model.threshold,
        "read": len(features),
    }


def chart_labels(reading: ClipReading) -> list[str]:
    """The labels with a curve: those that were likeliest at some step, above all those of the last step."""
    values = reading.rule.with_sums(reading.probabilities, sums_said(reading))
    weight = values.max(0) + 2 * values[-1]
    return [reading.labels[k] for k in np.argsort(-weight, kind="stable")[:LINES]]


def sums_said(reading: ClipReading) -> set[str]:
    """The broad labels that are said as a sum after some frame."""
    return {answer.label for answer in reading.answers if answer.is_sum}


def curves(reading: ClipReading, names: Sequence[str], summed: Collection[str] | None = None) -> list[list[float]]:
    """The probability of each of these labels after every frame; of the ``summed`` ones the sum, by default of those
    that the reading says as a sum."""
    values = reading.rule.with_sums(reading.probabilities, sums_said(reading) if summed is None else summed)
    columns = [reading.labels.index(name) for name in names]
    return np.round(values[:, columns].astype(float), 4).T.tolist()


def time_axis(kind: str, digest: str, times: Sequence[float], duration: float) -> Data:
    """What every part of a clip's figure shares; ``digest`` names the clip."""
    return {
        "clip": digest,
        "kind": kind,
        "times": [round(t, 3) for t in times],
        "duration": duration,
        "palette": list(PALETTE),
    }
