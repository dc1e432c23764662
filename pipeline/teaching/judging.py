"""How good a taught recogniser is, from clips that were left out while it was fitted.

Fewer than FOLDS_FROM clips are left out one by one, more in FOLDS parts. Everything is fitted again without the
left-out clips: the directions of movement, the mixture, the readings. The temperature and the threshold of "not sure"
are fitted to the left-out answers afterwards: they are two numbers, and change no answer's rank.

Shapes: N clips, A labels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from pipeline.models.taught import ClipSums, TaughtNetwork
from pipeline.teaching.examples import Example
from pipeline.teaching.fitting import fit, mean_of, state_of

FOLDS_FROM, FOLDS = 20, 10
ENOUGH = 5  # clips of a label, below which more are asked for
OFTEN_RIGHT = 0.7  # share of a label's left-out clips, below which more are asked for
SURE_RIGHT = 0.8  # of the answers above the threshold, on left-out clips
THRESHOLDS = tuple(round(0.3 + 0.05 * k, 2) for k in range(13))  # 0.3 to 0.9
TEMPERATURES = np.geomspace(0.02, 1.0, 60)
UNJUDGED_THRESHOLD, UNJUDGED_TEMPERATURE = 0.6, 0.2  # where nothing can be left out


@dataclass(frozen=True)
class Judgement:
    """The answers on left-out clips: ``probabilities`` (N, A), in the order of the examples."""

    labels: tuple[str, ...]
    truth: tuple[int, ...]
    names: tuple[str, ...]
    probabilities: np.ndarray
    folds: int

    @property
    def answers(self) -> list[int]:
        return self.probabilities.argmax(1).tolist()

    @property
    def right(self) -> int:
        return sum(a == t for a, t in zip(self.answers, self.truth, strict=True))

    @property
    def accuracy(self) -> float:
        return self.right / len(self.truth)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of the accuracy (Wilson 1927)."""
        return wilson(self.right, len(self.truth))

    @property
    def confusion(self) -> np.ndarray:
        """(A, A) int: rows are what it was, columns what was said."""
        table = np.zeros((len(self.labels), len(self.labels)), int)
        np.add.at(table, (list(self.truth), self.answers), 1)
        return table

    def clips(self, was: int, said: int) -> list[int]:
        """The examples of one cell of the confusion matrix."""
        pairs = zip(self.truth, self.answers, strict=True)
        return [k for k, pair in enumerate(pairs) if pair == (was, said)]

    @property
    def needs_more(self) -> list[str]:
        """The labels with few clips or few right answers."""
        counts, table = np.bincount(self.truth, minlength=len(self.labels)), self.confusion
        weak = (counts < ENOUGH) | (table.diagonal() < OFTEN_RIGHT * counts)
        return [label for label, is_weak in zip(self.labels, weak, strict=True) if is_weak]


def wilson(right: int, count: int, z: float = 1.96) -> tuple[float, float]:
    share = right / count
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    spread = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count**2)) / (1 + z * z / count)
    return max(0.0, centre - spread), min(1.0, centre + spread)


@dataclass(frozen=True)
class LeftOut:
    """Scores of left-out clips (N, A), of the reading of clips, NaN where a clip does not move, and of photos."""

    clips: np.ndarray
    stills: np.ndarray


def can_judge(examples: Sequence[Example]) -> bool:
    """Whether every label keeps a clip when one is left out."""
    labels = [each.label for each in examples]
    return all(labels.count(label) > 1 for label in labels)


def folds(examples: Sequence[Example], seed: int) -> list[list[int]]:
    """The examples that are left out together. Each label is spread over all folds."""
    if len(examples) < FOLDS_FROM:
        return [[k] for k in range(len(examples))]
    order = np.random.default_rng(seed).permutation(len(examples)).tolist()
    order.sort(key=lambda k: examples[k].label)
    return [order[first::FOLDS] for first in range(FOLDS)]


def left_out_scores(
    examples: Sequence[Example],
    labels: Sequence[str],
    parts: Sequence[Sequence[int]],
    on_fold: Callable[[int, int], None] | None = None,
) -> LeftOut:
    """The scores of every example by a network that was fitted without its fold. ``on_fold`` is called with the number
    of folds done and of all."""
    found = LeftOut(*(np.full((len(examples), len(labels)), np.nan) for _ in range(2)))
    for number, part in enumerate(parts):
        if on_fold:
            on_fold(number, len(parts))
        rest = [each for k, each in enumerate(examples) if k not in set(part)]
        present = [label for label in labels if any(each.label == label for each in rest)]
        columns = [labels.index(label) for label in present]
        network, moves = fit(rest, present)
        for k in part:
            stills, clips = scores_of(network, examples[k], moves)
            found.stills[k], found.clips[k] = -1.0, -1.0 if moves else np.nan
            found.stills[k, columns] = stills
            found.clips[k, columns] = clips
    return found


@torch.inference_mode()
def scores_of(network: TaughtNetwork, example: Example, moves: bool) -> tuple[np.ndarray, np.ndarray]:
    """The scores of a clip by the reading of photos and by that of clips, each (A,)."""
    appearance = mean_of(example.appearance).float()
    stills = network.image_opinion(appearance).numpy()
    if not (moves and example.moves):
        return stills, np.full(len(stills), np.nan)
    sums = ClipSums(appearance, mean_of(example.layout).float(), 1)
    return stills, network.score(state_of(network, example).float(), sums).numpy()


def best_temperature(scores: np.ndarray, truth: np.ndarray) -> float:
    """The temperature with the smallest cross-entropy (Guo et al. 2017)."""
    known = ~np.isnan(scores).any(1)
    if not known.any():
        return UNJUDGED_TEMPERATURE
    rows, right = scores[known], truth[known]
    losses = [-np.log(softmax(rows / t)[np.arange(len(right)), right] + 1e-9).mean() for t in TEMPERATURES]
    return round(float(TEMPERATURES[int(np.argmin(losses))]), 4)


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def best_threshold(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """The lowest threshold above which SURE_RIGHT of the left-out answers are right; the highest if there is none."""
    highest, right = probabilities.max(1), probabilities.argmax(1) == truth
    for threshold in THRESHOLDS:
        sure = highest >= threshold
        if sure.any() and right[sure].mean() >= SURE_RIGHT:
            return threshold
    return THRESHOLDS[-1]
