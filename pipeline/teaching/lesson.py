"""Learn a recogniser from examples, and judge it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.media.reader import open_clip
from pipeline.models.action import ActionModel, load_action
from pipeline.models.checkpoint import WEIGHTS, load_card
from pipeline.models.encoder import Encoder
from pipeline.models.taught import TaughtModel, overlaps
from pipeline.teaching.examples import Example, check_examples, checked_label, example_of
from pipeline.teaching.fitting import fit
from pipeline.teaching.judging import (
    UNJUDGED_TEMPERATURE,
    UNJUDGED_THRESHOLD,
    Judgement,
    best_temperature,
    best_threshold,
    can_judge,
    folds,
    left_out_scores,
    softmax,
)
from pipeline.teaching.one_thread import one_thread

FORMAT = "unroll-taught-1"
MODEL = "taught action recogniser: set GRU memory, linear readings of it, of layout and of appearance"
FAMILIAR_SHARE = 0.7  # of the overlap that nearly all left-out clips reach: above it a clip counts as one of the labels
FAMILIAR_RANGE = (0.2, 0.8)
READ_BY = ("encoder", "video-encoder", "action-lstm")  # checkpoints on whose features and answers it depends


@dataclass(frozen=True)
class Lesson:
    """What was learned: the recogniser, and its judgement, None if some label has one clip only."""

    model: TaughtModel
    judgement: Judgement | None


def teach(clips: Mapping[str, Sequence[Path]], encoder: Encoder, *, background: bool = False, seed: int = 0) -> Lesson:
    """Learn from the files of each label. Raises MediaError for a file that cannot be read, and TeachingError."""
    shipped = load_action()
    examples = [
        read_example(checked_label(label), path, encoder, shipped) for label, paths in clips.items() for path in paths
    ]
    return learn(examples, shipped, background=background, seed=seed)


def read_example(label: str, path: Path, encoder: Encoder, shipped: ActionModel) -> Example:
    """The features of one file. Raises MediaError."""
    with open_clip(path) as stream:
        features = encoder.encode_clip(stream)
        return example_of(label, Path(path).name, features, stream.clip().duration, shipped)


def learn(
    examples: Sequence[Example],
    shipped: ActionModel,
    *,
    background: bool = False,
    seed: int = 0,
    on_fold: Callable[[int, int], None] | None = None,
) -> Lesson:
    """Learn from examples: the same ones in the same order with the same seed give the same recogniser.

    ``background`` keeps the labels of ``shipped`` as background: a clip of none of the taught actions is "something
    else". ``on_fold`` is called with the number of parts judged and of all. Raises TeachingError.
    """
    labels = check_examples(examples)
    with one_thread():
        network, moves = fit(examples, labels)
        judged = judge(examples, labels, seed, on_fold)
    if background:
        network.background = background_of(examples, labels)
    card = {
        "format": FORMAT,
        "model": MODEL,
        "labels": labels,
        "clips": [sum(each.label == label for each in examples) for label in labels],
        "moves": moves,
        "background": background,
        "familiar": familiar_threshold(examples) if background else 0.0,
        "temperatures": judged.temperatures,
        "threshold": judged.threshold,
        "seed": seed,
        "read_by": fingerprints(),
        **judged.figures(),
    }
    return Lesson(TaughtModel(network, card, shipped), judged.judgement)


def fingerprints() -> dict[str, str]:
    """The beginnings of the SHA-256 of the checkpoints that a taught recogniser depends on."""
    return {name: str(load_card(WEIGHTS / name)["sha256"])[:16] for name in READ_BY}


@dataclass(frozen=True)
class Judged:
    """The judgement and what is fitted to the left-out answers."""

    temperatures: list[float]
    threshold: float
    judgement: Judgement | None

    def figures(self) -> dict[str, Any]:
        """The card's figures: of left-out clips, how many were recognised; None if none could be left out."""
        each = self.judgement
        return {"left_out": each and {"right": each.right, "clips": len(each.truth)}}


def judge(
    examples: Sequence[Example], labels: list[str], seed: int, on_fold: Callable[[int, int], None] | None
) -> Judged:
    if not can_judge(examples):
        return Judged([UNJUDGED_TEMPERATURE] * 2, UNJUDGED_THRESHOLD, None)
    parts = folds(examples, seed)
    scores = left_out_scores(examples, labels, parts, on_fold)
    truth = np.array([labels.index(each.label) for each in examples])
    temperatures = [best_temperature(each, truth) for each in (scores.stills, scores.clips)]
    by_image, by_clip = (s / t for s, t in zip((scores.stills, scores.clips), temperatures, strict=True))
    probabilities = softmax(np.where(np.isnan(by_clip), by_image, by_clip))
    names = tuple(each.name for each in examples)
    judgement = Judgement(tuple(labels), tuple(truth.tolist()), names, probabilities, len(parts))
    return Judged(temperatures, best_threshold(probabilities, truth), judgement)


# ── The shipped labels as background ─────────────────────────────────────────────────────────────────────────────


def background_of(examples: Sequence[Example], labels: Sequence[str]) -> torch.Tensor:
    """What the shipped recogniser says of the clips of each label, on average, (A, L)."""
    rows = [np.mean([each.seen.astype(np.float32) for each in examples if each.label == label], 0) for label in labels]
    return torch.from_numpy(np.stack(rows))


def familiar_threshold(examples: Sequence[Example]) -> float:
    """The overlap with the taught labels above which a clip counts as one of them: FAMILIAR_SHARE of what nine of ten
    examples have with the other examples of their label."""
    found = []
    for k, each in enumerate(examples):
        others = [o.seen.astype(np.float32) for j, o in enumerate(examples) if j != k and o.label == each.label]
        if others:
            found.append(float(overlaps(np.mean(others, 0), each.seen.astype(np.float32))))
    typical = float(np.quantile(found, 0.1)) if found else 0.5
    return round(float(np.clip(FAMILIAR_SHARE * typical, *FAMILIAR_RANGE)), 4)
