"""Train the action recogniser, one network for each cell, on cached features of the tuned encoder.

    python -m training.feature_cache --out cache
    python -m training.encoder --cache cache
    python -m training.tuned_features --cache cache
    python -m training.action --cache cache
    python -m training.evaluate action

The loss covers every step, so the network learns to predict after every frame. A training sequence is sampled from an
item: an interval of a video with dropped frames; the frames of an MSR-VTT video, some repeated for several steps; or
a photo, as it is or as the crops of a pan. Motion is removed at random, because photos and folders have none.
Appearance is zeroed in 40 % of the sequences with motion. The encoder was tuned on these frames, so appearance is
over-confident here and the network would ignore motion.

After training, one temperature is fitted on held-out groups (Guo et al. 2017). The confidence threshold is the lowest
probability from which on 85 % of the held-out predictions are right.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from pipeline.analysis.hedging import AnswerRule
from pipeline.media.reader import MAX_STEPS
from pipeline.models.action import ActionNetwork
from pipeline.models.backbones import DEFAULT_BACKBONE
from pipeline.models.checkpoint import save_checkpoint
from pipeline.models.efficientnet_lite import FEATURE_SIZE
from pipeline.models.recurrent import CELLS
from training.data import Item, load_items, load_labels
from training.evaluate import ItemPrediction, credited, report, right_labels, table
from training.feature_cache import CROP, CROP_MOTION, FRAME, MOTION, FeatureCache
from training.labels import card_fields, finer_among
from training.loop import MovingAverage, adamw_one_cycle, optimiser_step
from training.pseudo_labels import pseudo_labels

PROJECTED, HIDDEN = 128, 256
LABEL_SMOOTHING = 0.1
EMA_DECAY = 0.997
REFIT_ITERATIONS, L2_TO_START = 30, 0.1
MOTION_DROP_SHARE, APPEARANCE_DROP_SHARE = 0.3, 0.4  # of the training sequences that have motion
MIN_PRECISION = 0.85  # above the accuracy on all items; a lower value would give a threshold of 0
SOURCES = [
    "MSR-VTT (Xu et al. 2016): 1,642 videos as 2 to 5 frames each, labelled by consensus of their captions",
    "sports22: 3,322 photos of 22 sports",
    "UCF101 (Soomro et al. 2012), official split 1, 15 of the training groups: 529 clips of 11 classes",
    "fights, skate, rackets, pushups, football: 490 short clips",
    "pseudo-labels from captions: 444 Flickr8k photos and 46 MSR-VTT videos",
    "the encoder also: caption words of 1,043 further MSR-VTT videos and 6,000 Flickr8k photos",
]
LIMITS = [
    "It knows 58 labels and must choose among them; anything else gets the nearest one, or 'not sure'.",
    "Labels from MSR-VTT are a consensus of captions, so they are noisy; 'talking' is the commonest of them.",
    "Most of the 22 sports were learned from photos only; no motion of them was learned.",
    "The fitness classes come from 15 groups of people, filmed before 2012 in 240 lines.",
    "It reads at most 24 frames of a clip; between them it uses only the motion over 0.2 s.",
]


class CachedSequence(NamedTuple):
    """A sequence as rows of the feature cache."""

    frames: list[int]
    motion: list[int]  # the row of each frame's motion; -1: none


@dataclass(frozen=True)
class SequenceBatch:
    """B sequences laid end to end, N steps in all, so that no computation before the cell is spent on padding."""

    appearance: Tensor  # (N, D)
    motion: Tensor  # (N, D)
    has_motion: Tensor  # (N,) bool
    sequence: Tensor  # (N,) index of the sequence that a step belongs to
    step: Tensor  # (N,) index of the step within its sequence
    labels: Tensor  # (B,)


def sequence_logits(network: ActionNetwork, batch: SequenceBatch) -> Tensor:
    """The logits of the cell's state after every step, (N, L), without the mean log-probabilities of the frames.

    The encoder was tuned on the training clips, so these log-probabilities are nearly always right there. With them in
    the loss the cell would learn nothing.
    """
    features = batch.appearance, batch.motion, batch.has_motion
    x = network.cell_inputs(*features, network.frame_log_probs(*features))
    padded = x.new_zeros(len(batch.labels), int(batch.step.max()) + 1, x.shape[1])
    hidden, _ = network.cell.scan(padded.index_put((batch.sequence, batch.step), x))
    return network.readout(network.dropout(hidden[batch.sequence, batch.step]))


class SequenceSampler:
    """Sequences of cached features: random ones for training, and complete ones, as the app reads them."""

    def __init__(self, folder: Path, items: list[Item], labels: list[str]) -> None:
        self.items, self.cache = items, (cache := FeatureCache(folder))
        self.features = np.load(folder / "tuned.npy")  # (N, D)
        names = {n: item.label for n, item in enumerate(items) if item.label} | pseudo_labels(items)
        self.label = {n: labels.index(name) for n, name in names.items()}
        self.train = [n for n in self.label if not items[n].held_out]
        self.held_out = [n for n in self.label if items[n].held_out]  # held-out items never get pseudo-labels
        step = cache.step.tolist()
        self.motion_row = {  # row of a frame -> row of its motion
            row: {step[m]: m for m in cache.rows.get((n, motion), ())}.get(step[row], -1)
            for n in self.label
            for appearance, motion in ((FRAME, MOTION), (CROP, CROP_MOTION))
            for row in cache.rows.get((n, appearance), ())
        }

    def complete(self, number: int) -> CachedSequence:
        """All frames of an item with their motion."""
        rows = self.cache.rows[number, FRAME]
        return CachedSequence(rows, [self.motion_row[r] for r in rows])

    def sample(self, number: int, rng: np.random.Generator) -> CachedSequence:
        """A random training sequence of an item."""
        rows = self.cache.rows[number, FRAME]
        if self.items[number].is_video:
            rows = self._random_interval(rows, rng)
        else:
            crops = self.cache.rows.get((number, CROP), rows)
            repeats = rng.choice([1, 1, 2, 3, 4])
            rows = [
                crop if rng.random() < 0.5 else row
                for row, crop in zip(rows, crops, strict=True)
                for _ in range(repeats)
            ]
            if len(crops) > 1:
                rows = [r for r in rows if rng.random() > 0.15] or rows
        motion = [self.motion_row[r] if rng.random() > 0.1 else -1 for r in rows]
        if rng.random() < MOTION_DROP_SHARE:
            motion = [-1] * len(rows)
        return CachedSequence(rows[:MAX_STEPS], motion[:MAX_STEPS])

    @staticmethod
    def _random_interval(rows: list[int], rng: np.random.Generator) -> list[int]:
        """An interval of a video, at full, half or a third of its rate, with some frames dropped."""
        length = max(1, round(len(rows) * rng.uniform(0.4, 1.0)))
        start = rng.integers(0, len(rows) - length + 1)
        interval = rows[start : start + length : rng.choice([1, 1, 2, 3])]
        return [r for r in interval if rng.random() > 0.1] or interval

    def make_batch(self, numbers: list[int], sequences: list[CachedSequence]) -> SequenceBatch:
        """The features and labels of one sequence for each item."""
        lengths = [len(sequence.frames) for sequence in sequences]
        frames = np.concatenate([sequence.frames for sequence in sequences])
        motion = np.concatenate([sequence.motion for sequence in sequences])
        return SequenceBatch(
            torch.from_numpy(self.features[frames]).float(),
            torch.from_numpy(self.features[np.maximum(motion, 0)]).float(),
            torch.from_numpy(motion >= 0),
            torch.from_numpy(np.repeat(np.arange(len(sequences)), lengths)),
            torch.from_numpy(np.concatenate([np.arange(n) for n in lengths])),
            torch.tensor([self.label[n] for n in numbers]),
        )


def set_normalisation(network: ActionNetwork, sampler: SequenceSampler) -> None:
    """Set the network's mean and standard deviation to those of the training features, of frames and of motion."""
    for kinds, part in (((FRAME, CROP), slice(0, FEATURE_SIZE)), ((MOTION, CROP_MOTION), slice(FEATURE_SIZE, None))):
        rows = [r for n in sampler.train for kind in kinds for r in sampler.cache.rows.get((n, kind), ())]
        values = torch.from_numpy(sampler.features[rows]).float()
        network.mean[part], network.std[part] = values.mean(0), values.std(0) + 0.05


def refit_appearance_classifier(network: ActionNetwork, sampler: SequenceSampler) -> None:
    """Fit the linear classifier of appearance again, to mean features of frames and of crops, pseudo-labels included.
    A penalty on the distance keeps it near the classifier that the encoder was tuned with."""
    layer, deviation = network.frame_evidence, network.std[:FEATURE_SIZE]
    views = [(n, rows) for n in sampler.train for kind in (FRAME, CROP) if (rows := sampler.cache.rows.get((n, kind)))]
    means = torch.from_numpy(np.stack([sampler.features[rows].astype(np.float32).mean(0) for _, rows in views]))
    labels = torch.tensor([sampler.label[n] for n, _ in views])
    start = layer.weight.detach().clone()
    optimiser = torch.optim.LBFGS(layer.parameters(), max_iter=REFIT_ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        distance = (((layer.weight - start) * deviation) ** 2).sum()
        cross_entropy = F.cross_entropy(layer(means), labels, label_smoothing=LABEL_SMOOTHING)
        total = cross_entropy + L2_TO_START * distance
        total.backward()
        return total

    optimiser.step(loss)


def drop_appearance(batch: SequenceBatch, rng: np.random.Generator) -> SequenceBatch:
    """Zero the appearance in some of the sequences that have motion."""
    with_motion = torch.bincount(batch.sequence, batch.has_motion.float()) > 0
    dropped = with_motion & torch.from_numpy(rng.random(len(with_motion)) < APPEARANCE_DROP_SHARE)
    return dataclasses.replace(batch, appearance=batch.appearance * ~dropped[batch.sequence, None])


def sequence_loss(logits: Tensor, batch: SequenceBatch) -> Tensor:
    """Cross-entropy: half of a sequence's weight is on its last step, the other half is shared by all its steps."""
    losses = F.cross_entropy(logits, batch.labels[batch.sequence], label_smoothing=LABEL_SMOOTHING, reduction="none")
    count = torch.bincount(batch.sequence)
    last = batch.step == count[batch.sequence] - 1
    return ((losses / count[batch.sequence]).sum() + losses[last].sum()) / (2 * len(count))


def initial_network(sampler: SequenceSampler, cell: str, labels: int, cache: Path) -> ActionNetwork:
    """A new network with the frozen linear classifiers of the encoder's training."""
    network = ActionNetwork(cell, FEATURE_SIZE, PROJECTED, HIDDEN, labels)
    set_normalisation(network, sampler)
    heads = load_file(cache / "heads.safetensors")
    for layer, name in ((network.frame_evidence, "frame"), (network.motion_evidence, "motion")):
        layer.load_state_dict({part: heads[f"{name}.{part}"] for part in ("weight", "bias")})
    refit_appearance_classifier(network, sampler)
    for layer in (network.frame_evidence, network.motion_evidence):
        layer.requires_grad_(False)
    return network


def fit(sampler: SequenceSampler, cell: str, labels: int, args: argparse.Namespace) -> ActionNetwork:
    """The moving average of the trained weights."""
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    network = initial_network(sampler, cell, labels, args.cache)
    average = MovingAverage(network, EMA_DECAY)
    trained = [p for p in network.parameters() if p.requires_grad]
    steps = math.ceil(len(sampler.train) / args.batch) * args.epochs
    optimiser, schedule = adamw_one_cycle(trained, args.rate, args.decay, steps, warm_up=0.1)
    started = time.time()
    for epoch in range(args.epochs):
        order, total = rng.permutation(sampler.train), 0.0
        for start in range(0, len(order), args.batch):
            numbers = order[start : start + args.batch].tolist()
            batch = sampler.make_batch(numbers, [sampler.sample(n, rng) for n in numbers])
            batch = drop_appearance(batch, rng)
            loss = sequence_loss(sequence_logits(network, batch), batch)
            optimiser_step(loss, optimiser, schedule, trained)
            average.update_parameters(network)
            total += float(loss.detach()) * len(numbers)
        if epoch % 5 == 4 or epoch == args.epochs - 1:
            print(f"{cell} epoch {epoch + 1}: loss {total / len(order):.3f}, {time.time() - started:.0f} s", flush=True)
    return average.module.eval()


@torch.inference_mode()
def held_out_logits(network: ActionNetwork, sampler: SequenceSampler) -> list[Tensor]:
    """The logits (T, L) after every frame of every held-out item, read as the app reads it."""
    logits = []
    for number in sampler.held_out:
        batch = sampler.make_batch([number], [sampler.complete(number)])
        logits.append(network(batch.appearance[None], batch.motion[None], batch.has_motion[None])[0])
    return logits


def best_temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature with the smallest cross-entropy of logits (N, L) and labels (N,) (Guo et al. 2017)."""
    grid = torch.logspace(-1, 1, 401)
    return float(grid[torch.stack([F.cross_entropy(logits / t, labels) for t in grid]).argmin()])


def confidence_threshold(probabilities: Tensor, labels: Tensor, precision: float = MIN_PRECISION) -> float:
    """The lowest p such that, of all predictions with a probability of at least p, the share ``precision`` is right.

    ``probabilities`` is (N, L), ``labels`` (N,). 1.0 if no threshold reaches the precision.
    """
    highest, predicted = probabilities.max(1)
    order = highest.argsort(descending=True)
    share_right = (predicted == labels)[order].float().cumsum(0) / torch.arange(1, len(order) + 1)
    enough = (share_right >= precision).nonzero()
    return float(highest[order[enough[-1]]]) if len(enough) else 1.0


def calibrate(network: ActionNetwork, sampler: SequenceSampler, cell: str) -> dict[str, Any]:
    """Temperature, confidence threshold and figures on held-out groups, for the card; also printed."""
    logits = held_out_logits(network, sampler)
    labels = torch.tensor([sampler.label[n] for n in sampler.held_out])
    last = torch.stack([steps[-1] for steps in logits])
    temperature = best_temperature(last, labels)
    names = tuple(load_labels())
    predictions = [
        ItemPrediction(
            sampler.items[n].source,
            sampler.label[n],
            right_labels(names[sampler.label[n]], names),
            (steps / temperature).softmax(1).numpy(),
        )
        for n, steps in zip(sampler.held_out, logits, strict=True)
    ]
    right = torch.tensor([credited(prediction) for prediction in predictions])
    threshold = confidence_threshold((last / temperature).softmax(1), right)
    figures = report(predictions, AnswerRule(names, finer_among(names), threshold))
    print(f"{cell}: temperature {temperature:.3f}, confidence threshold {threshold:.3f}")
    print(table(figures), flush=True)
    return {"temperature": round(temperature, 4), "threshold": round(threshold, 4), "held_out": figures}


def make_card(cell: str, labels: list[str], args: argparse.Namespace) -> dict[str, Any]:
    """The card without calibration and figures."""
    return {
        "model": "many-to-one action recogniser: frame and motion features -> recurrent cell -> label, at every frame",
        "cell": cell,
        "labels": labels,
        **card_fields(labels),
        "features": FEATURE_SIZE,
        "projected": PROJECTED,
        "hidden": HIDDEN,
        "backbone": DEFAULT_BACKBONE,
        "command": f"python -m training.action --cell {cell} --epochs {args.epochs} --batch {args.batch} "
        f"--rate {args.rate} --decay {args.decay} --seed {args.seed}",
        "seed": args.seed,
        "data": SOURCES,
        "limits": LIMITS,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="folder written by training.feature_cache")
    parser.add_argument("--out", type=Path, default=Path("weights"), help="folder for the checkpoints")
    parser.add_argument("--cell", nargs="+", choices=CELLS, default=list(CELLS))
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch", type=int, default=128, help="sequences per step")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--decay", type=float, default=0.02, help="weight decay")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    labels = load_labels()
    sampler = SequenceSampler(args.cache, load_items(), labels)
    for cell in args.cell:
        network = fit(sampler, cell, len(labels), args)
        card = make_card(cell, labels, args) | calibrate(network, sampler, cell)
        save_checkpoint(args.out / f"action-{cell}", network.state_dict(), card)


if __name__ == "__main__":
    main()
