"""What is fitted to held-out items after a recogniser was trained: temperatures and the two questions.

One temperature for stills and one for videos (Guo et al. 2017), then "does anybody act?" and "was anything like it
learned?" (training/open_set.py). The temperatures are fitted to the last prediction of each item, the questions to
those after a quarter, a half and the whole of it, so that answers along the way are calibrated too.

The threshold of "not sure" is one for all cells. Of 0.45, 0.5, ... 0.8 it is the lowest from which on, with every cell,
80 % of the answers are right on the web clips of unseen sources. Fitted to each cell alone, it hung on single clips.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.analysis.hedging import AnswerRule
from pipeline.models.action import NO_ACTION, SOMETHING_ELSE, ActionNetwork, FrameEvidence, Opinions
from training.data import HELD_OUT_SOURCES
from training.evaluate import ItemPrediction, report, right_labels, source_name, table
from training.labels import finer_among
from training.open_set import Readings, fit_acts_join, fit_known, item_weights
from training.sequences import Sequences

THRESHOLD = 0.6
BATCH_READ = 32  # items read at once
STEPS_FITTED = (0.25, 0.5, 1.0)  # shares of a clip after which its prediction is fitted


@torch.inference_mode()
def held_out_readings(network: ActionNetwork, sequences: Sequences) -> list[tuple[Tensor, Opinions]]:
    """The logits (T, A) and the opinions so far after every frame of every held-out item, read as the app reads it."""
    found: list[tuple[Tensor, Opinions] | None] = [None] * len(sequences.held_out)
    order = sorted(range(len(found)), key=lambda k: sequences.held_out[k]["frames"])
    for start in range(0, len(order), BATCH_READ):
        chosen = order[start : start + BATCH_READ]
        entries = [sequences.held_out[k] for k in chosen]
        batch = sequences.batch(entries, [np.arange(e["frames"]) for e in entries])
        logits, opinions = network(batch.appearance, batch.motion, batch.motion_logits, batch.has_motion)
        for row, (k, entry) in enumerate(zip(chosen, entries, strict=True)):
            found[k] = (logits[row, : entry["frames"]].clone(), part_of(opinions, row, entry["frames"]))
    return [each for each in found if each is not None]


def part_of(opinions: Opinions, row: int, frames: int) -> Opinions:
    """The opinions of one sequence of a batch."""
    cut = [each[row, :frames].clone() for each in opinions.frames]
    others = (each[row, :frames].clone() for each in opinions[1:])
    return Opinions(FrameEvidence(*cut), *others)


def steps_at(count: int) -> list[int]:
    """The steps of a clip of ``count`` frames that are fitted."""
    return sorted({max(0, math.ceil(share * count) - 1) for share in STEPS_FITTED})


def steps_fitted(readings: list[tuple[Tensor, Opinions]], temperatures: list[float]) -> tuple[Tensor, Opinions, Tensor]:
    """Calibrated logits (N, A), opinions, and the number of the item, of some steps of each item."""
    rows, parts, items = [], [], []
    for n, (logits, opinions) in enumerate(readings):
        for step in steps_at(len(logits)):
            rows.append(logits[step] / temperatures[int(opinions.has_motion[0])])
            parts.append((*(each[step] for each in opinions.frames), *(each[step] for each in opinions[1:])))
            items.append(n)
    columns = [torch.stack(column) for column in zip(*parts, strict=True)]
    return torch.stack(rows), Opinions(FrameEvidence(*columns[:3]), *columns[3:]), torch.tensor(items)


def best_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature with the smallest cross-entropy of logits (N, A) and labels (N,) (Guo et al. 2017)."""
    grid = torch.logspace(-1, 1, 401)
    return float(grid[torch.stack([F.cross_entropy(logits / t, labels) for t in grid]).argmin()])


def fit_temperatures(readings: Sequence[tuple[Tensor, Opinions]], right: Tensor, moves: np.ndarray) -> list[float]:
    """Of stills and of videos, on the items with an action label; ``right`` is (N, A) bool."""
    last = torch.stack([logits[-1] for logits, _ in readings])
    truth = last.masked_fill(~right, -math.inf).argmax(1)
    labelled = right.any(1)
    kinds = [labelled & torch.from_numpy(moves == kind) for kind in (False, True)]
    return [best_temperature(last[own], truth[own]) for own in kinds]


@torch.inference_mode()
def predictions_of(
    network: ActionNetwork,
    held: Sequence[dict[str, Any]],
    readings: Sequence[tuple[Tensor, Opinions]],
    temperatures: Sequence[float],
    names: Sequence[str],
) -> list[ItemPrediction]:
    """The predictions after every frame of every item; ``names`` are all labels."""
    found = []
    for entry, (logits, opinions) in zip(held, readings, strict=True):
        said = network.open_set(logits / temperatures[int(opinions.has_motion[0])], opinions).exp().numpy()
        right, source = right_labels(entry["label"], names), entry["source"]
        label = entry["label"] if right else None
        found.append(ItemPrediction(source_name(source), label, right, said, source in HELD_OUT_SOURCES))
    return found


def calibrate(network: ActionNetwork, sequences: Sequences, cell: str, labels: list[str]) -> dict[str, Any]:
    """Fit what is fitted on held-out items; temperatures, threshold and figures for the card, also printed."""
    readings, held = held_out_readings(network, sequences), sequences.held_out
    right = torch.stack([sequences.right[e["label"]] for e in held])
    moves = np.array([e["video_first"] >= 0 for e in held])
    temperatures = fit_temperatures(readings, right, moves)
    acts = np.array([int(e["label"] != NO_ACTION) for e in held])
    unseen = np.array([e["source"] in HELD_OUT_SOURCES for e in held])
    kinds = np.array([source_name(e["source"]) + " still" * (e["video_first"] < 0) for e in held])
    weight = item_weights(acts, unseen, kinds)
    logits, opinions, item = steps_fitted(readings, temperatures)
    each = torch.from_numpy(weight).float()[item]
    fitted = Readings(logits, opinions, right[item], torch.from_numpy(acts)[item], each)
    fit_acts_join(network, fitted)
    fit_known(network, fitted)
    names, finer = (*labels, NO_ACTION, SOMETHING_ELSE), finer_among(labels)
    predictions = predictions_of(network, held, readings, temperatures, names)
    figures = report(predictions, AnswerRule(names, finer, THRESHOLD))
    print(f"{cell}: temperatures {temperatures}")
    print(f"acts_join {network.acts_join.tolist()}, known {network.known.tolist()}")
    print(table(figures), flush=True)
    return {
        "temperatures": [round(t, 4) for t in temperatures],
        "threshold": THRESHOLD,
        "held_out": figures,
    }
