"""Train the action recogniser, one network for each cell, on cached features of both encoders.

    python -m training.clip_features --more ../data-more --out ../cache/clips
    python -m training.video_head fit --mixed ../cache/mixed --cache ../cache/clips --out weights
    python -m training.action --cache ../cache/clips --out weights

Labels are sets: an example labelled "cooking" is right for "chopping vegetables" too, so the loss is the negative
logarithm of the summed probability of all labels that are right. It covers every step, so the network learns to
predict after every frame. The loss is that of the state's own opinion, without the two opinions that it is pooled with:
both are nearly always right in training, and with them in the loss the cell would learn nothing. Training examples are
clips, photos, and the 2 to 5 frames of MSR-VTT videos, some of them repeated for several steps.

The image opinion is a linear classifier that was trained with the image encoder; it is taken from an older checkpoint
and stays as it is. After training, one temperature for stills and one for videos are fitted on held-out groups (Guo et
al. 2017). The confidence threshold is the lowest probability from which on 85 % of the held-out answers are right.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from pipeline.analysis.hedging import AnswerRule
from pipeline.media.reader import MAX_STEPS
from pipeline.models.action import ActionNetwork
from pipeline.models.backbones import DEFAULT_BACKBONE
from pipeline.models.checkpoint import WEIGHTS, load_card, save_checkpoint
from pipeline.models.efficientnet_lite import FEATURE_SIZE
from pipeline.models.movinet import FEATURE_SIZE as MOTION_SIZE
from pipeline.models.recurrent import CELLS
from training.data import NO_ACTION
from training.evaluate import ItemPrediction, credited, report, right_labels, source_name, table
from training.labels import card_fields, finer_among, flat_labels, lowered_logits, targets
from training.loop import MovingAverage, adamw_one_cycle, optimiser_step

PROJECTED, HIDDEN = 64, 256
EMA_DECAY = 0.997
SHORTEST = 0.3  # share of a clip: training clips end after this share at the earliest
MOTION_DROP_SHARE, APPEARANCE_DROP_SHARE = 0.15, 0.15  # of the training clips
MIN_PRECISION = 0.85
STILL_SHARE = 0.4  # of a batch
JOINT = {"riding a motorcycle": ["riding a motorcycle", "riding a bicycle"]}  # one label of the image opinion
SOURCES = [
    "MSR-VTT (Xu et al. 2016): 1,642 videos as 2 to 5 frames each, labelled by consensus of their captions",
    "sports22: 3,322 photos of 22 sports",
    "UCF101 (Soomro et al. 2012), official training groups: 1,155 clips of 21 classes",
    "JHMDB (Jhuang et al. 2013): clips of 21 actions, 1.5 s each",
    "fights, skate, rackets, pushups, football: 490 short clips; doors opened and closed; ARID, filmed in the dark",
    "clips from the web in some 30 small collections, labelled by an observer",
]
LIMITS = [
    "It must name one of 691 actions; where nobody does anything it still names one, or says 'not sure'.",
    "Of about 600 labels it has seen no example: it knows them by the video encoder's training on Kinetics-600 alone.",
    "In photos and folders it knows the 58 labels of the image encoder's training; the others only from video.",
    "Labels from MSR-VTT are a consensus of captions, so they are noisy; 'talking' is the commonest of them.",
    "Of clips longer than 12.8 s it reads bursts of 1.6 s and knows nothing of what is between them.",
]


@dataclass(frozen=True)
class Batch:
    """B sequences, padded to T steps."""

    appearance: Tensor  # (B, T, D)
    motion: Tensor  # (B, T, E)
    motion_logits: Tensor  # (B, T, L)
    has_motion: Tensor  # (B, T) bool
    lengths: Tensor  # (B,)
    right: Tensor  # (B, L) bool


class Sequences:
    """The cached items: random sequences for training, and complete ones, as the app reads them."""

    def __init__(self, cache: Path, labels: list[str]) -> None:
        index = json.loads((cache / "index.json").read_text())
        self.items = [e for e in index if e["label"] and e["label"] != NO_ACTION]
        self.appearance = np.load(cache / "appearance.npy", mmap_mode="r")
        self.motion = np.load(cache / "motion.npy", mmap_mode="r")
        self.logits = np.load(cache / "logits.npy", mmap_mode="r")
        column = {label: k for k, label in enumerate(labels)}
        self.right = {e["label"]: torch.zeros(len(labels), dtype=torch.bool) for e in self.items}
        for label, row in self.right.items():
            row[[column[name] for name in targets(label)]] = True
        self.train = [e for e in self.items if not e["held_out"]]
        self.held_out = [e for e in self.items if e["held_out"]]
        count = Counter((e["source"], e["label"]) for e in self.train)
        moves = np.array([e["video_first"] >= 0 for e in self.train])
        weight = np.array([count[e["source"], e["label"]] ** -0.5 for e in self.train]) * moves
        self.weight = (1 - STILL_SHARE) * weight / weight.sum() + STILL_SHARE * ~moves / (~moves).sum()

    def sample(self, count: int, rng: np.random.Generator) -> Batch:
        chosen = [self.train[k] for k in rng.choice(len(self.train), count, p=self.weight)]
        steps = []
        for entry in chosen:
            frames = np.arange(entry["frames"])
            if entry["video_first"] >= 0:
                frames = frames[: max(1, round(len(frames) * rng.uniform(SHORTEST, 1)))]
            else:
                frames = np.repeat(frames, rng.choice([1, 1, 2, 3, 4]))
            steps.append(frames[:MAX_STEPS])
        batch = self.batch(chosen, steps)
        blind = torch.from_numpy(rng.random(count) < APPEARANCE_DROP_SHARE) & batch.has_motion[:, 0]
        batch.appearance[blind] = 0
        still = torch.from_numpy(rng.random(count) < MOTION_DROP_SHARE)
        batch.has_motion[still & ~blind] = False
        return batch

    def batch(self, entries: list[dict[str, Any]], steps: list[np.ndarray]) -> Batch:
        """The features of these frames of each item."""
        longest = max(map(len, steps))
        size = len(entries), longest
        appearance, motion = torch.zeros(*size, FEATURE_SIZE), torch.zeros(*size, MOTION_SIZE)
        logits, has_motion = torch.zeros(*size, self.logits.shape[1]), torch.zeros(size, dtype=torch.bool)
        for k, (entry, frames) in enumerate(zip(entries, steps, strict=True)):
            n = len(frames)
            appearance[k, :n] = torch.from_numpy(self.appearance[entry["first"] + frames].astype(np.float32))
            if (first := entry["video_first"]) >= 0:
                motion[k, :n] = torch.from_numpy(self.motion[first + frames].astype(np.float32))
                logits[k, :n] = torch.from_numpy(self.logits[first + frames].astype(np.float32))
                has_motion[k] = True
        right = torch.stack([self.right[entry["label"]] for entry in entries])
        return Batch(appearance, motion, logits, has_motion, torch.tensor(list(map(len, steps))), right)


def set_losses(log_probs: Tensor, batch: Batch) -> Tensor:
    """(B, T, L) -> (B,): of each sequence; half of the weight is on its last step, the other half on all its steps."""
    likely = -log_probs.masked_fill(~batch.right[:, None], -math.inf).logsumexp(-1)
    steps = torch.arange(log_probs.shape[1])
    counted, last = steps < batch.lengths[:, None], steps == batch.lengths[:, None] - 1
    return (likely * (0.5 * counted / batch.lengths[:, None] + 0.5 * last)).sum(1)


def loss_of(network: ActionNetwork, batch: Batch) -> Tensor:
    opinions = network.opinions(batch.appearance, batch.motion_logits, batch.has_motion)
    hidden, _ = network.cell.scan(network.cell_inputs(batch.appearance, batch.motion, opinions))
    return set_losses(network.readout(network.dropout(hidden)).log_softmax(-1), batch).mean()


def set_normalisation(network: ActionNetwork, sequences: Sequences) -> None:
    """Set the network's mean and standard deviation to those of the cached features."""
    for values, part in (
        (sequences.appearance[::7], slice(0, FEATURE_SIZE)),
        (sequences.motion[::7], slice(FEATURE_SIZE, None)),
    ):
        rows = torch.from_numpy(values.astype(np.float32))
        network.mean[part], network.std[part] = rows.mean(0), rows.std(0) + 0.05


def initial_network(sequences: Sequences, cell: str, labels: list[str], opinion: Path) -> ActionNetwork:
    """A new network with the image opinion of a checkpoint, which stays as it is."""
    image_labels = image_labels_of(opinion)
    network = ActionNetwork(cell, len(image_labels), len(labels), PROJECTED, HIDDEN)
    set_normalisation(network, sequences)
    column = {label: k for k, label in enumerate(labels)}
    names = [JOINT.get(label, [label]) for label in image_labels]
    right = [[column[finer] for name in same for finer in targets(name)] for same in names]
    network.set_labels([column[name] for same in names for name in same], right)
    tensors = load_file(opinion.with_suffix(".safetensors"))
    network.image_opinion.load_state_dict({part: tensors[f"image_opinion.{part}"] for part in ("weight", "bias")})
    network.image_opinion.requires_grad_(False)
    return network


def image_labels_of(opinion: Path) -> list[str]:
    return load_card(opinion)["image_labels"]


def fit(sequences: Sequences, cell: str, labels: list[str], args: argparse.Namespace) -> ActionNetwork:
    """The moving average of the trained weights."""
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    network = initial_network(sequences, cell, labels, args.opinion)
    average = MovingAverage(network, EMA_DECAY)
    trained = [p for p in network.parameters() if p.requires_grad]
    optimiser, schedule = adamw_one_cycle(trained, args.rate, args.decay, args.steps, warm_up=0.1)
    started, total = time.time(), 0.0
    for step in range(args.steps):
        loss = loss_of(network, sequences.sample(args.batch, rng))
        optimiser_step(loss, optimiser, schedule, trained)
        average.update_parameters(network)
        total += float(loss.detach())
        if step % 200 == 199:
            print(f"{cell} step {step + 1}: loss {total / 200:.3f}, {time.time() - started:.0f} s", flush=True)
            total = 0.0
    with torch.no_grad():
        average.module.readout.bias.sub_(torch.tensor(lowered_logits()))
    return average.module.eval()


@torch.inference_mode()
def held_out_logits(network: ActionNetwork, sequences: Sequences) -> list[Tensor]:
    """The logits (T, L) after every frame of every held-out item, read as the app reads it."""
    logits = []
    for entry in sequences.held_out:
        batch = sequences.batch([entry], [np.arange(entry["frames"])])
        logits.append(network(batch.appearance, batch.motion, batch.motion_logits, batch.has_motion)[0])
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


def calibrate(network: ActionNetwork, sequences: Sequences, cell: str, labels: list[str]) -> dict[str, Any]:
    """Temperatures, confidence threshold and figures on held-out groups, for the card; also printed."""
    logits, held = held_out_logits(network, sequences), sequences.held_out
    last = torch.stack([steps[-1] for steps in logits])
    right = [right_labels(entry["label"], labels) for entry in held]
    truth = torch.tensor([max(sorted(r), key=lambda k: float(row[k])) for r, row in zip(right, last, strict=True)])
    moves = torch.tensor([entry["video_first"] >= 0 for entry in held])
    temperatures = [best_temperature(last[moves == kind], truth[moves == kind]) for kind in (False, True)]
    steps = [(each / temperatures[int(kind)]).softmax(1).numpy() for each, kind in zip(logits, moves, strict=True)]
    predictions = [
        ItemPrediction(source_name(e["source"]), labels.index(e["label"]) if e["label"] in labels else min(r), r, p)
        for e, r, p in zip(held, right, steps, strict=True)
    ]
    probabilities = torch.stack([torch.from_numpy(p.probabilities[-1]) for p in predictions])
    threshold = confidence_threshold(probabilities, torch.tensor([credited(p) for p in predictions]))
    figures = report(predictions, AnswerRule(tuple(labels), finer_among(labels), threshold))
    print(f"{cell}: temperatures {temperatures}, confidence threshold {threshold:.3f}")
    print(table(figures), flush=True)
    return {
        "temperatures": [round(t, 4) for t in temperatures],
        "threshold": round(threshold, 4),
        "held_out": figures,
    }


def make_card(cell: str, labels: list[str], image_labels: list[str], args: argparse.Namespace) -> dict[str, Any]:
    """The card without calibration and figures."""
    return {
        "model": "many-to-one action recogniser: frame and motion features -> recurrent cell -> label, at every frame",
        "cell": cell,
        "labels": labels,
        "image_labels": image_labels,
        **card_fields(labels),
        "projected": PROJECTED,
        "hidden": HIDDEN,
        "backbone": DEFAULT_BACKBONE,
        "command": f"python -m training.action --cell {cell} --steps {args.steps} --batch {args.batch} "
        f"--rate {args.rate} --decay {args.decay} --seed {args.seed}",
        "seed": args.seed,
        "data": SOURCES,
        "limits": LIMITS,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="folder of training.clip_features")
    parser.add_argument("--opinion", type=Path, default=WEIGHTS / "action-lstm", help="checkpoint with image opinion")
    parser.add_argument("--out", type=Path, default=Path("weights"), help="folder for the checkpoints")
    parser.add_argument("--cell", nargs="+", choices=CELLS, default=list(CELLS))
    parser.add_argument("--steps", type=int, default=600, help="batches")
    parser.add_argument("--batch", type=int, default=48, help="sequences in a batch")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--decay", type=float, default=0.02)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    labels = flat_labels()
    sequences = Sequences(args.cache, labels)
    image_labels = image_labels_of(args.opinion)
    for cell in args.cell:
        network = fit(sequences, cell, labels, args)
        card = {**make_card(cell, labels, image_labels, args), **calibrate(network, sequences, cell, labels)}
        tensors = {name: tensor.half() for name, tensor in network.state_dict().items()}
        save_checkpoint(args.out / f"action-{cell}", tensors, card)


if __name__ == "__main__":
    main()
