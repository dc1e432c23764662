"""Fit the action recogniser, one network for each cell, on cached features of the tuned encoder.

    python -m training.features --out cache
    python -m training.encoder --cache cache
    python -m training.tuned --cache cache
    python -m training.action --cache cache
    python -m training.score action

Every step is supervised, so that the answer after every frame means something. A training sequence is a fresh draw of
an item: a stretch of a video with dropped frames; the frames of an MSR-VTT video, some held for
several steps; a photo alone, or panned over. Motion is left out at random, because photos and folders have none.
Frames' features are hidden at random too where motion is known: the encoder has seen the training frames, so they tell
more there than on new clips, and a network that trusts them forgets to look at the motion.

Afterwards one temperature is fitted on held-out groups (Guo et al. 2017), and the threshold of "not sure" is the
lowest probability from which on held-out answers were right in 85 of 100 cases.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from pipeline.media.reader import MAX_STEPS
from pipeline.models.action import ActionNetwork
from pipeline.models.checkpoint import save_checkpoint
from pipeline.models.efficientnet_lite import FEATURE_SIZE
from pipeline.models.recurrent import CELLS
from training.data import Item, load_items, load_labels
from training.evaluate import Reading, report, table
from training.feature_cache import CROP, CROP_MOTION, FRAME, MOTION, FeatureCache
from training.pseudo_labels import told_labels

PROJECTED, HIDDEN = 128, 256
SMOOTHING = 0.1
EMA = 0.997
REFINING_STEPS, HELD_NEAR = 30, 0.1
NO_MOTION_SHARE, NO_FRAME_SHARE = 0.3, 0.4  # of the draws of anything that has motion
SURE_PRECISION = 0.85  # higher than what is right of all answers, or it would never be unsure
SOURCES = [
    "MSR-VTT (Xu et al. 2016): 1,642 videos as 2 to 5 frames each, labelled by consensus of their captions",
    "sports22: 3,322 photos of 22 sports",
    "UCF101 (Soomro et al. 2012), official split 1, 15 of the training groups: 529 clips of 11 classes",
    "fights, skate, rackets, pushups, football: 490 short clips",
    "labels that captions tell of further items: 444 Flickr8k photos and 46 MSR-VTT videos",
    "the encoder also: the words of 1,043 further MSR-VTT videos' and 6,000 Flickr8k photos' captions",
]
LIMITS = [
    "It knows 58 labels and must choose among them; anything else gets the nearest one, or 'not sure'.",
    "Labels from MSR-VTT are a consensus of captions, so they are noisy; 'talking' is the commonest of them.",
    "Most of the 22 sports were learned from photos only; their motion was never seen.",
    "The fitness classes come from 15 groups of people, filmed before 2012 in 240 lines.",
    "It reads at most 24 frames of a clip: what happens between them is seen only as motion over 0.2 s.",
]


Draw = tuple[list[int], list[int]]  # rows of frames in the cache, and of their motion (-1: unknown)


@dataclass(frozen=True)
class Sequences:
    """B sequences laid end to end, N steps in all, so that nothing is spent on padding before the cell."""

    frames: Tensor  # (N, D) what is there
    motion: Tensor  # (N, D) what moves
    has_motion: Tensor  # (N,) whether the latter is known
    clip: Tensor  # (N,) which sequence a step belongs to
    step: Tensor  # (N,) which step of it this is
    labels: Tensor  # (B,)


def sequence_logits(network: ActionNetwork, batch: Sequences) -> Tensor:
    """-> (N, L): what the state says after every step, without the mean evidence.

    On the training clips the evidence is nearly always right, since the encoder knows them: beside it the cell would
    learn nothing.
    """
    pictures = batch.frames, batch.motion, batch.has_motion
    x = network.cell_inputs(*pictures, network.frame_log_probs(*pictures))
    padded = x.new_zeros(len(batch.labels), int(batch.step.max()) + 1, x.shape[1])
    hidden, _ = network.cell.scan(padded.index_put((batch.clip, batch.step), x))
    return network.readout(network.dropout(hidden[batch.clip, batch.step]))


class Draws:
    """Sequences of features: random ones to train on, plain ones as the app would read them."""

    def __init__(self, folder: Path, items: list[Item], labels: list[str]) -> None:
        self.items, self.cache = items, (cache := FeatureCache(folder))
        self.features = np.load(folder / "tuned.npy")  # (N, D)
        known = {n: item.label for n, item in enumerate(items) if item.label} | told_labels(items)
        self.label = {n: labels.index(label) for n, label in known.items()}
        self.train = [n for n in self.label if not items[n].held_out]
        self.held_out = [n for n in self.label if items[n].held_out]  # captions tell of none of these
        step = cache.step.tolist()
        self.motion_row = {  # a frame's row -> its motion's row
            row: {step[m]: m for m in cache.rows.get((n, moving), ())}.get(step[row], -1)
            for n in self.label
            for still, moving in ((FRAME, MOTION), (CROP, CROP_MOTION))
            for row in cache.rows.get((n, still), ())
        }

    def plain(self, number: int) -> Draw:
        """Rows of an item's frames and of their motion (-1: none)."""
        rows = self.cache.rows[number, FRAME]
        return rows, [self.motion_row[r] for r in rows]

    def random(self, number: int, rng: np.random.Generator) -> Draw:
        rows = self.cache.rows[number, FRAME]
        if self.items[number].is_video:
            rows = self._stretch(rows, rng)
        else:
            crops = self.cache.rows.get((number, CROP), rows)
            held = rng.choice([1, 1, 2, 3, 4])
            rows = [
                crop if rng.random() < 0.5 else row for row, crop in zip(rows, crops, strict=True) for _ in range(held)
            ]
            if len(crops) > 1:
                rows = [r for r in rows if rng.random() > 0.15] or rows
        moves = [self.motion_row[r] if rng.random() > 0.1 else -1 for r in rows]
        if rng.random() < NO_MOTION_SHARE:
            moves = [-1] * len(rows)
        return rows[:MAX_STEPS], moves[:MAX_STEPS]

    @staticmethod
    def _stretch(rows: list[int], rng: np.random.Generator) -> list[int]:
        """A part of a video, at full, half or a third of its rate, with some frames dropped."""
        length = max(1, round(len(rows) * rng.uniform(0.4, 1.0)))
        start = rng.integers(0, len(rows) - length + 1)
        part = rows[start : start + length : rng.choice([1, 1, 2, 3])]
        return [r for r in part if rng.random() > 0.1] or part

    def batch(self, numbers: list[int], draws: list[Draw]) -> Sequences:
        """The features of these draws."""
        counts = [len(rows) for rows, _ in draws]
        rows = np.concatenate([rows for rows, _ in draws])
        moves = np.concatenate([motion for _, motion in draws])
        return Sequences(
            torch.from_numpy(self.features[rows]).float(),
            torch.from_numpy(self.features[np.maximum(moves, 0)]).float(),
            torch.from_numpy(moves >= 0),
            torch.from_numpy(np.repeat(np.arange(len(draws)), counts)),
            torch.from_numpy(np.concatenate([np.arange(n) for n in counts])),
            torch.tensor([self.label[n] for n in numbers]),
        )


def standardise(network: ActionNetwork, draws: Draws) -> None:
    """Give the network the mean and spread of the training features, of frames and of motion."""
    for kinds, part in (((FRAME, CROP), slice(0, FEATURE_SIZE)), ((MOTION, CROP_MOTION), slice(FEATURE_SIZE, None))):
        rows = [r for n in draws.train for kind in kinds for r in draws.cache.rows.get((n, kind), ())]
        values = torch.from_numpy(draws.features[rows]).float()
        network.mean[part], network.std[part] = values.mean(0), values.std(0) + 0.05


def refine(network: ActionNetwork, draws: Draws) -> None:
    """Fit the evidence in frames once more, from means of plain frames and of crops, and to the labels that captions
    tell, too; held near what the encoder was tuned with."""
    layer, spread = network.frame_evidence, network.std[:FEATURE_SIZE]
    views = [(n, rows) for n in draws.train for kind in (FRAME, CROP) if (rows := draws.cache.rows.get((n, kind)))]
    means = torch.from_numpy(np.stack([draws.features[rows].astype(np.float32).mean(0) for _, rows in views]))
    truth = torch.tensor([draws.label[n] for n, _ in views])
    begun = layer.weight.detach().clone()
    optimiser = torch.optim.LBFGS(layer.parameters(), max_iter=REFINING_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        away = (((layer.weight - begun) * spread) ** 2).sum()
        total = F.cross_entropy(layer(means), truth, label_smoothing=SMOOTHING) + HELD_NEAR * away
        total.backward()
        return total

    optimiser.step(loss)


def hide_frames(batch: Sequences, rng: np.random.Generator) -> Sequences:
    """Blank what is there in some of the sequences whose motion is known."""
    clips = torch.bincount(batch.clip, batch.has_motion.float()) > 0
    hidden = clips & torch.from_numpy(rng.random(len(clips)) < NO_FRAME_SHARE)
    return dataclasses.replace(batch, frames=batch.frames * ~hidden[batch.clip, None])


def sequence_loss(logits: Tensor, batch: Sequences) -> Tensor:
    """Cross-entropy at every step; the steps of a clip share one vote, and its last step has another."""
    each = F.cross_entropy(logits, batch.labels[batch.clip], label_smoothing=SMOOTHING, reduction="none")
    count = torch.bincount(batch.clip)
    last = batch.step == count[batch.clip] - 1
    return ((each / count[batch.clip]).sum() + each[last].sum()) / (2 * len(count))


def fit(draws: Draws, cell: str, labels: int, args: argparse.Namespace) -> ActionNetwork:
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    network = ActionNetwork(cell, FEATURE_SIZE, PROJECTED, HIDDEN, labels)
    standardise(network, draws)
    heads = load_file(args.cache / "heads.safetensors")
    for layer, name in ((network.frame_evidence, "frame"), (network.motion_evidence, "motion")):
        layer.load_state_dict({part: heads[f"{name}.{part}"] for part in ("weight", "bias")})
    refine(network, draws)
    for layer in (network.frame_evidence, network.motion_evidence):
        layer.requires_grad_(False)
    average = copy.deepcopy(network)
    learned = [p for p in network.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(learned, args.rate, weight_decay=args.decay)
    steps = math.ceil(len(draws.train) / args.batch) * args.epochs
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, args.rate, total_steps=steps, pct_start=0.1)
    started, done = time.time(), 0
    for epoch in range(args.epochs):
        order, total = rng.permutation(draws.train), 0.0
        for start in range(0, len(order), args.batch):
            numbers = order[start : start + args.batch].tolist()
            batch = hide_frames(draws.batch(numbers, [draws.random(n, rng) for n in numbers]), rng)
            loss = sequence_loss(sequence_logits(network, batch), batch)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(learned, 1.0)
            optimiser.step()
            schedule.step()
            total += float(loss.detach()) * len(numbers)
            done += 1
            with torch.no_grad():
                for mean, now in zip(average.parameters(), network.parameters(), strict=True):
                    mean.lerp_(now, 1 - min(EMA, done / (done + 10)))
        if epoch % 5 == 4 or epoch == args.epochs - 1:
            print(f"{cell} epoch {epoch + 1}: loss {total / len(order):.3f}, {time.time() - started:.0f} s", flush=True)
    return average.eval()


@torch.inference_mode()
def held_out_logits(network: ActionNetwork, draws: Draws) -> list[Tensor]:
    """The logits (T, L) after every frame of every held-out item, read as the app reads it."""
    found = []
    for number in draws.held_out:
        batch = draws.batch([number], [draws.plain(number)])
        found.append(network(batch.frames[None], batch.motion[None], batch.has_motion[None])[0])
    return found


def best_temperature(logits: Tensor, labels: Tensor) -> float:
    """(N, L), (N,) -> the temperature under which the true labels are likeliest (Guo et al. 2017)."""
    grid = torch.logspace(-1, 1, 401)
    return float(grid[torch.stack([F.cross_entropy(logits / t, labels) for t in grid]).argmin()])


def sure_from(probabilities: Tensor, labels: Tensor, precision: float = SURE_PRECISION) -> float:
    """The lowest probability such that answers at least that probable were right in ``precision`` of the cases."""
    best, guess = probabilities.max(1)
    order = best.argsort(descending=True)
    right = (guess == labels)[order].float().cumsum(0) / torch.arange(1, len(order) + 1)
    enough = (right >= precision).nonzero()
    return float(best[order[enough[-1]]]) if len(enough) else 1.0


def calibrated(network: ActionNetwork, draws: Draws, cell: str) -> dict[str, Any]:
    """Temperature, threshold and figures on held-out groups, for the card; printed too."""
    logits = held_out_logits(network, draws)
    truth = torch.tensor([draws.label[n] for n in draws.held_out])
    last = torch.stack([each[-1] for each in logits])
    temperature = best_temperature(last, truth)
    threshold = sure_from((last / temperature).softmax(1), truth)
    readings = [
        Reading(draws.items[n].source, draws.label[n], (each / temperature).softmax(1).numpy())
        for n, each in zip(draws.held_out, logits, strict=True)
    ]
    figures = report(readings, threshold, load_labels())
    print(f"{cell}: temperature {temperature:.3f}, sure from {threshold:.3f}")
    print(table(figures), flush=True)
    return {"temperature": round(temperature, 4), "threshold": round(threshold, 4), "held_out": figures}


def card_of(cell: str, labels: list[str], args: argparse.Namespace) -> dict[str, Any]:
    """What the card says beside calibration and figures."""
    return {
        "model": "many-to-one action recogniser: frame and motion features -> recurrent cell -> label, at every frame",
        "cell": cell,
        "labels": labels,
        "features": FEATURE_SIZE,
        "projected": PROJECTED,
        "hidden": HIDDEN,
        "backbone": "lite0-tuned",
        "command": f"python -m training.action --cell {cell} --epochs {args.epochs} --batch {args.batch} "
        f"--rate {args.rate} --decay {args.decay} --seed {args.seed}",
        "seed": args.seed,
        "data": SOURCES,
        "limits": LIMITS,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="folder that training.features wrote")
    parser.add_argument("--out", type=Path, default=Path("weights"))
    parser.add_argument("--cell", nargs="+", choices=CELLS, default=list(CELLS))
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch", type=int, default=128, help="sequences a step")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--decay", type=float, default=0.02)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    labels = load_labels()
    draws = Draws(args.cache, load_items(), labels)
    for cell in args.cell:
        network = fit(draws, cell, len(labels), args)
        card = card_of(cell, labels, args) | calibrated(network, draws, cell)
        save_checkpoint(args.out / f"action-{cell}", network.state_dict(), card)


if __name__ == "__main__":
    main()
