"""The figure of a cell: strips of states and gates, the units with the largest contributions, the arithmetic of a step,
and the cell unrolled over the frames with its shared weights."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any

import numpy as np

from pipeline.analysis.cell_trace import GateTerms
from pipeline.report.figure_data import data_uri, time_axis
from views.components.component import component
from views.session.encoded_clip import EncodedClip

NOTES = {
    "h": "the hidden state",
    "c": "the cell state of the LSTM",
    "i": "input gate: how much of the candidate enters the cell state",
    "f": "forget gate: how much of the cell state stays",
    "o": "output gate: how much of the cell state reaches h",
    "g": "the candidate",
    "r": "reset gate: how much of the state the candidate uses",
    "z": "update gate: how much of the state stays",
    "n": "the candidate",
}
GATES = frozenset("ifozr")
DRAWN = 8  # cells of the unrolled diagram at most

_component = component("cell_figure")


def strips(
    clip: EncodedClip, parts: Mapping[str, np.ndarray], answers: Sequence[str], memory: Mapping[str, np.ndarray]
) -> None:
    """``parts`` (T, H) by name, units already ordered; ``memory`` (T,) by the cell's name on the page."""
    rows = [
        {"name": name, "note": NOTES[name], "values": _bytes(values), "low": 0 if name in GATES else -1}
        for name, values in parts.items()
    ]
    curves = {name: [float(f"{v:.4g}") for v in values] for name, values in memory.items()}
    data = {
        "film": clip.film,
        "strips": rows,
        "units": next(iter(parts.values())).shape[1],
    }
    _mount("strips", clip, {**data, "answers": list(answers), "memory": curves})


def units(
    clip: EncodedClip,
    label: str,
    unit_contributions: Sequence[Sequence[tuple[int, float]]],
    sums: Sequence[Mapping[int, list[GateTerms]]],
) -> None:
    """For each step, the units with the largest contributions for and against the label, and their gate terms."""
    data = {
        "label": label,
        "contributions": [[[u, round(v, 4)] for u, v in step] for step in unit_contributions],
        "sums": [{str(u): [_row(r) for r in rows] for u, rows in step.items()} for step in sums],
    }
    _mount("units", clip, data)


def unrolled(clip: EncodedClip, weights: int) -> None:
    """The cell unrolled over the frames; ``weights`` is the number of its parameters."""
    count = len(clip.pictures)
    chosen = list(range(count)) if count <= DRAWN else [*range(DRAWN - 1), count - 1]
    pictures = [data_uri(clip.pictures[k]) for k in chosen]
    _mount(
        "unrolled",
        clip,
        {"pictures": pictures, "steps": [k + 1 for k in chosen], "skipped": count > DRAWN, "weights": weights},
    )


def _row(row: GateTerms) -> list[Any]:
    return [round(value, 5) if isinstance(value, float) else value for value in astuple(row)]


def _bytes(values: np.ndarray) -> str:
    return base64.b64encode((np.clip(values, -1, 1) * 127 + 128).round().astype(np.uint8).tobytes()).decode()


def _mount(part: str, clip: EncodedClip, data: dict[str, Any]) -> None:
    times = [frame.time for frame in clip.features]
    shared = time_axis(clip.kind, clip.digest, times, clip.duration)
    _component(key=f"within-{part}", data={"part": part, **shared, **data})
