"""Tune the video encoder on real clips, begun from the published MoViNet-A0-Stream.

    python -m training.video_frames --more ../data-more --out ../cache/frames
    python -m training.import_movinet --out ../cache/movinet
    python -m training.video_encoder --frames ../cache/frames --start ../cache/movinet --out ../cache/tuned

All layers are tuned. Its 600 answers become those of the flat list of labels (training/labels.py): rows of Kinetics
keep their weights, rows of labels that Kinetics lacks begin at zero. Two losses are added up, after every frame:

- labels are sets: the negative logarithm of the summed probability of all labels that are right for an example;
- distillation (Hinton et al. 2015): the answers of the untouched network on the same pictures, for its 600 actions. It
  is all that clips without a label teach, and it keeps what the network knew.

Stills (frames of videos that are known by single frames) become clips by a slow pan and zoom. They teach by
distillation alone. ``--fold K`` leaves out the half K (0 or 1) of the training groups, to measure. Uses a CUDA GPU if
there is one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from pipeline.models.action import NO_ACTION
from pipeline.models.checkpoint import save_checkpoint
from pipeline.models.movinet import FRAME_RATE, SIDE, MoViNetA0Stream
from training.data import is_held_out
from training.labels import flat_labels, kinetics_columns, targets
from training.loop import MovingAverage, adamw_one_cycle, optimiser_step

STEPS = 24  # frames of a training clip
BATCH, STILLS = 56, 8  # clips and stills in a batch
EMA_DECAY = 0.998
DISTILLATION = 0.5  # weight beside the loss of the labels
HIDDEN_DROPOUT = 0.3
PAIRS = (("sitting down", "standing up"), ("opening a door", "closing a door"))


@dataclass(frozen=True)
class Example:
    """A stored video or still: its rows of ``pictures``, and whether it is held out."""

    source: str
    group: str
    label: str | None
    rate: int  # frames a second; 0: a still
    first: int
    frames: int
    clip: int
    held_out: bool


class Examples:
    """All pictures in memory, (N, 3, S, S) uint8, with the examples that they belong to."""

    def __init__(self, folder: Path, device: str) -> None:
        entries = json.loads((folder / "clips.json").read_text())
        with ThreadPoolExecutor(16) as pool:
            decoded = list(pool.map(lambda entry: decode(folder / entry["file"]), entries))
        self.examples, first = [], 0
        for entry, pictures in zip(entries, decoded, strict=True):
            label = entry["label"] if entry["label"] != NO_ACTION else None
            about = entry["source"], entry["group"], label, entry["rate"], first, len(pictures), entry["clip"]
            self.examples.append(Example(*about, is_held_out(entry["source"], entry["group"])))
            first += len(pictures)
        self.pictures = torch.empty(first, 3, *decoded[0].shape[1:3], dtype=torch.uint8, device=device)
        for example, pictures in zip(self.examples, decoded, strict=True):
            rows = slice(example.first, example.first + len(pictures))
            self.pictures[rows] = torch.from_numpy(pictures).to(device).movedim(-1, 1)
        self.device = device


def decode(path: Path) -> np.ndarray:
    """A stored video or JPEG -> (T, S, S, 3) uint8 RGB."""
    if path.suffix == ".jpg":
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        assert picture is not None, path
        return picture[None]
    capture, pictures = cv2.VideoCapture(str(path)), []
    while (read := capture.read())[0]:
        pictures.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB))
    return np.stack(pictures)


def fold_of(group: str) -> int:
    """0 or 1, by a hash of the group's name."""
    return hashlib.sha256(f"fold/{group}".encode()).digest()[0] % 2


@dataclass(frozen=True)
class Batch:
    """``frames`` (B, T, 3, SIDE, SIDE) in 0..1; ``lengths`` (B,): how many of them are real; ``right`` (B, L): the
    labels that are right, none where no label is known."""

    frames: Tensor
    lengths: Tensor
    right: Tensor


class Sampler:
    """Random training clips: balanced over sources and labels, at a random speed, crop, colour and sharpness."""

    def __init__(self, data: Examples, labels: Sequence[str], fold: int | None) -> None:
        self.data, self.labels = data, labels
        train = [e for e in data.examples if not e.held_out and (fold is None or fold_of(e.group) != fold)]
        self.videos, self.stills = [e for e in train if e.rate], [e for e in train if not e.rate]
        count = Counter((e.source, e.label) for e in self.videos)
        weight = np.array([count[e.source, e.label] ** -0.5 for e in self.videos])
        self.weight = weight / weight.sum()
        column = {label: k for k, label in enumerate(labels)}
        names = {e.label for e in data.examples if e.label}
        self.rows = {name: [column[x] for x in targets(name)] for name in names}

    def batch(self, rng: np.random.Generator) -> Batch:
        chosen = [self.videos[k] for k in rng.choice(len(self.videos), BATCH, p=self.weight)]
        chosen += [self.stills[k] for k in rng.integers(len(self.stills), size=STILLS)] if self.stills else []
        rows = np.stack([self._rows(example, rng) for example in chosen])
        lengths = torch.tensor([len(np.unique(r)) if e.rate else STEPS for e, r in zip(chosen, rows, strict=True)])
        right = torch.zeros(len(chosen), len(self.labels))
        for k, example in enumerate(chosen):
            if example.label and example.rate:
                right[k, self.rows[example.label]] = 1
        moves = torch.tensor([0.15 if not e.rate else 0.0 for e in chosen])
        frames = self._augmented(torch.from_numpy(rows), moves, rng)
        device = self.data.device
        return Batch(frames, lengths.to(device), right.to(device))

    @staticmethod
    def _rows(example: Example, rng: np.random.Generator) -> np.ndarray:
        """The row of each of STEPS frames; the last is repeated where the video is too short."""
        if not example.rate:
            return np.full(STEPS, example.first)
        stride = example.rate / FRAME_RATE * rng.uniform(0.8, 1.25)
        spare = max(0.0, example.frames - 1 - stride * (STEPS - 1))
        start = rng.uniform(0, spare) if spare else rng.uniform(0, min(stride, (example.frames - 1) / 4))
        return example.first + np.minimum(start + stride * np.arange(STEPS), example.frames - 1).astype(int)

    def _augmented(self, rows: Tensor, moves: Tensor, rng: np.random.Generator) -> Tensor:
        """(B, T) rows -> (B, T, 3, SIDE, SIDE) in 0..1. A clip is cropped and coloured alike in all its frames, but
        a still moves: its crop goes from one place and size to another."""
        clips, steps = rows.shape
        device = self.data.device
        pictures = self.data.pictures[rows.flatten().to(device)].float() / 255
        uniform = torch.from_numpy(rng.uniform(-1, 1, (clips, 10))).float()
        size = 0.82 + 0.18 * uniform[:, :1] - 0.1 * moves[:, None]
        aspect = (0.12 * uniform[:, 1:2]).exp()
        along = torch.linspace(-1, 1, steps) * moves[:, None]
        flip = torch.where(uniform[:, 2:3] > 0, 1.0, -1.0)
        width, height = (size * aspect).clamp(max=1), (size / aspect).clamp(max=1)
        width, height = width * (1 - along * uniform[:, 3:4]), height * (1 - along * uniform[:, 3:4])
        x = (1 - width).clamp(min=0) * uniform[:, 4:5] + along * uniform[:, 5:6]
        y = (1 - height).clamp(min=0) * uniform[:, 6:7] + along * uniform[:, 7:8]
        zero = torch.zeros_like(width * along)
        theta = torch.stack([width * flip + zero, zero, x + zero, zero, height + zero, y + zero], -1)
        grid = F.affine_grid(theta.view(-1, 2, 3).to(device), [clips * steps, 3, SIDE, SIDE], align_corners=False)
        out = F.grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)
        return self._coloured(out.unflatten(0, (clips, steps)), rng)

    @staticmethod
    def _coloured(frames: Tensor, rng: np.random.Generator) -> Tensor:
        clips, device = len(frames), frames.device

        def per_clip(low: float, high: float) -> Tensor:
            return torch.from_numpy(rng.uniform(low, high, (clips, 1, 1, 1, 1))).float().to(device)

        grey = frames.mean(2, keepdim=True)
        frames = grey + (frames - grey) * torch.where(per_clip(0, 1) < 0.1, 0.0, per_clip(0.6, 1.4))
        dark = per_clip(0, 1) < 0.1  # as filmed at night
        frames = (frames - 0.5) * per_clip(0.75, 1.25) + 0.5 + per_clip(-0.1, 0.1)
        frames = frames.clamp(0, 1) ** torch.where(dark, per_clip(1.5, 3.0), per_clip(0.8, 1.25))
        if rng.random() < 0.4:  # a third of the batch loses sharpness, as small or old videos have
            some, side = slice(0, None, 3), int(rng.integers(72, 150))
            small = F.interpolate(frames[some].flatten(0, 1), (side, side), mode="bilinear", antialias=True)
            frames[some] = F.interpolate(small, (SIDE, SIDE), mode="bilinear").unflatten(0, (-1, frames.shape[1]))
        return frames


def widened(start: MoViNetA0Stream, labels: Sequence[str]) -> MoViNetA0Stream:
    """A copy that answers the flat labels. A row that Kinetics has keeps its weights, a new row begins low."""
    network = MoViNetA0Stream(len(labels))
    state = dict(start.state_dict())
    columns = torch.tensor(kinetics_columns())
    weight = torch.zeros(len(labels), start.classifier.in_features)
    bias = torch.full((len(labels),), float(start.classifier.bias.detach().mean()) - 2.0)
    weight[columns], bias[columns] = start.classifier.weight.detach(), start.classifier.bias.detach()
    network.load_state_dict({**state, "classifier.weight": weight, "classifier.bias": bias})
    return network


def loss_of(logits: Tensor, teacher: Tensor, batch: Batch, columns: Tensor) -> tuple[Tensor, Tensor]:
    """(B, T, L) logits and (B, T, 600) of the untouched network -> the loss of the labels and that of distillation.
    Half of a clip's weight is on its last frame, the other half is shared by all frames from the third on."""
    steps = torch.arange(logits.shape[1], device=logits.device)
    last = steps == batch.lengths[:, None] - 1
    counted = (steps < batch.lengths[:, None]) & (steps >= (batch.lengths[:, None] - 1).clamp(max=2))
    weight = 0.5 * last + 0.5 * counted / counted.sum(1, keepdim=True)
    log_probs = logits.log_softmax(-1)
    labelled = batch.right.any(1)
    sets = log_probs.masked_fill(batch.right[:, None] == 0, -math.inf)[labelled].logsumexp(-1)
    by_label = -(sets * weight[labelled]).sum() / max(1, int(labelled.sum()))
    student = logits[..., columns].log_softmax(-1)
    divergence = F.kl_div(student, teacher.log_softmax(-1), log_target=True, reduction="none").sum(-1)
    return by_label, (divergence * weight).sum() / len(logits)


def forward(network: MoViNetA0Stream, frames: Tensor, dropout: nn.Module) -> Tensor:
    """Logits after every frame, (B, T, L), with dropout before the classifier."""
    with torch.autocast(frames.device.type, torch.bfloat16, enabled=frames.is_cuda):
        features = network.scan(frames)[0].features
    counts = torch.arange(1, features.shape[1] + 1, device=frames.device)
    pooled = features.float().cumsum(1) / counts[:, None]
    return network.classifier(dropout(F.relu6(network.hidden(pooled))))


def tune(start: MoViNetA0Stream, sampler: Sampler, args: argparse.Namespace) -> MoViNetA0Stream:
    """The moving average of the tuned weights."""
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    device = sampler.data.device
    network = widened(start, sampler.labels).to(memory_format=torch.channels_last).to(device)
    teacher = start.to(memory_format=torch.channels_last).to(device).eval().requires_grad_(False)
    columns, dropout = torch.tensor(kinetics_columns(), device=device), nn.Dropout(HIDDEN_DROPOUT)
    steps = args.steps
    new = [p for name, p in network.named_parameters() if name.startswith("classifier")]
    old = [p for name, p in network.named_parameters() if not name.startswith("classifier")]
    optimiser, schedule = adamw_one_cycle([*old, *new], args.rate, 0.01, steps, warm_up=0.1)
    average = MovingAverage(network, EMA_DECAY)
    begun, total = time.time(), np.zeros(2)
    for step in range(steps):
        batch = sampler.batch(rng)
        with torch.no_grad():
            known = forward(teacher, batch.frames, nn.Identity())
        losses = loss_of(forward(network, batch.frames, dropout), known, batch, columns)
        optimiser_step(losses[0] + DISTILLATION * losses[1], optimiser, schedule, [*old, *new])
        average.update_parameters(network)
        total += [float(loss.detach()) for loss in losses]
        if step % 100 == 99:
            print(f"step {step + 1}/{steps}: {total / 100}, {time.time() - begun:.0f} s", flush=True)
            total[:] = 0
    return average.module.eval()


@torch.inference_mode()
def answers(network: MoViNetA0Stream, data: Examples, chosen: Sequence[Example]) -> Iterator[tuple[Example, Tensor]]:
    """The logits after the last frame of each video, read as the app reads it: 5 frames a second, not cropped."""
    for example in chosen:
        stride = example.rate / FRAME_RATE
        rows = example.first + torch.arange(0, example.frames, stride).long()
        frames = F.interpolate(data.pictures[rows.to(data.device)].float() / 255, (SIDE, SIDE), mode="bilinear")
        yield example, network.scan(frames[None])[0].logits[0, -1].float().cpu()


def report(network: MoViNetA0Stream, data: Examples, labels: Sequence[str]) -> dict[str, Any]:
    """Held-out top-1 and top-5 by source, an answer counting if it is the label or finer; and forced choices."""
    right: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    choices: dict[tuple[str, str], list[bool]] = defaultdict(list)
    column = {label: k for k, label in enumerate(labels)}
    held = [e for e in data.examples if e.held_out and e.label and e.rate]
    for example, logits in answers(network, data, held):
        assert example.label is not None
        good = {column[name] for name in targets(example.label)}
        top = logits.topk(5).indices.tolist()
        right[example.source].append((top[0] in good, bool(good & set(top))))
        for pair in PAIRS:
            if example.label in pair:
                first = logits[column[pair[0]]] > logits[column[pair[1]]]
                choices[pair].append(bool(first) == (example.label == pair[0]))
    figures: dict[str, Any] = {}
    for source, rows in sorted(right.items()):
        one, five = np.mean(rows, 0)
        figures[source] = {"top-1": round(float(one), 3), "top-5": round(float(five), 3), "videos": len(rows)}
    for pair, each in choices.items():
        figures[" / ".join(pair)] = {"right": round(float(np.mean(each)), 3), "videos": len(each)}
    return figures


def load_start(folder: Path) -> MoViNetA0Stream:
    """The imported network (training/import_movinet.py)."""
    network = MoViNetA0Stream()
    network.load_state_dict({k: v.float() for k, v in load_file(folder.with_suffix(".safetensors")).items()})
    return network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=Path, required=True, help="folder of training/video_frames.py")
    parser.add_argument("--start", type=Path, required=True, help="checkpoint of training/import_movinet.py")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint to write")
    parser.add_argument("--steps", type=int, default=1300, help="batches")
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--fold", type=int, choices=[0, 1])
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    labels = flat_labels()
    data = Examples(args.frames, "cuda" if torch.cuda.is_available() else "cpu")
    network = tune(load_start(args.start), Sampler(data, labels, args.fold), args)
    figures = report(network, data, labels)
    print(json.dumps(figures, indent=1))
    tensors = {name: tensor.half().cpu() for name, tensor in network.state_dict().items()}
    settings = {name: value for name, value in vars(args).items() if not isinstance(value, Path)}
    save_checkpoint(args.out, tensors, {"labels": labels, "held_out": figures, "settings": settings})


if __name__ == "__main__":
    main()
