"""Make the video encoder that ships: mix the tuned network with the one that it began from, and fit its classifier.

    python -m training.video_head mix --start ../cache/movinet --tuned ../cache/tuned --share 0.5 --out ../cache/mixed
    python -m training.clip_features --out ../cache/clips --motion ../cache/mixed
    python -m training.video_head fit --mixed ../cache/mixed --cache ../cache/clips --out weights

``mix`` averages the weights of both, which makes fine-tuned networks more accurate on data from elsewhere (Wortsman et
al. 2022, "Robust fine-tuning of zero-shot models"). Other shares than 0.5 were not compared with this classifier.

``fit`` fits the last layer on cached features of all training clips. Labels are sets: what counts is the summed
probability of the labels that are right. The network's own answers for the 600 actions of Kinetics stay near what they
were (distillation), and so do the weights (a penalty on the distance). It also writes ``logits.npy`` (M, L) into the
cache: for clips of training groups the answers of a classifier that was fitted on other groups (three folds), so that
the reader learns how far such answers can be trusted on new clips; for held-out clips those of the final one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from pipeline.models.action import NO_ACTION
from pipeline.models.checkpoint import load_card, load_checkpoint, save_checkpoint
from pipeline.models.movinet import MoViNetA0Stream
from training.evaluate import source_name
from training.labels import flat_labels, kinetics_columns, lowered_logits, targets
from training.video_encoder import load_start, widened

FOLDS = 3
DISTILLATION, L2_TO_START = 0.1, 3e-4
ITERATIONS = 80
PREFIXES = (0.4, 1.0)  # shares of a clip after which its mean features are an example
SOURCES = [
    "MoViNet-A0-Stream trained on Kinetics-600 (Kondratyuk et al. 2021), the published file in eight bits: the start",
    "JHMDB (Jhuang et al. 2013): 643 clips of 21 actions",
    "UCF101 (Soomro et al. 2012), official training groups: 1,379 clips of 21 classes",
    "fights, skate, rackets, pushups, football: 552 short clips",
    "doors opened and closed (124 clips of Kinetics-700), five actions filmed in the dark (ARID, 125 clips)",
    "some 500 clips from the web in some 30 small collections, labelled by an observer",
    "3,395 frames of MSR-VTT as panned stills, for distillation only",
]
LIMITS = [
    "It always names a human action, also where nobody acts; a landscape is often 'paragliding'.",
    "Of about 600 of its labels no example was seen here: it knows them from Kinetics-600 alone.",
    "It reads the whole picture squeezed to 172 x 172 pixels: small or distant people are lost.",
    "Opening and closing a door, sitting down and standing up are told apart poorly (held_out).",
]


def mix(start: Path, tuned: Path, share: float, out: Path) -> None:
    """Write the weighted mean of both networks; ``share`` is the tuned one's."""
    labels = flat_labels()
    first = widened(load_start(start), labels).state_dict()
    second = load_file(tuned.with_suffix(".safetensors"))
    mixed = {name: ((1 - share) * tensor + share * second[name].float()).half() for name, tensor in first.items()}
    settings = {"share_of_tuned": share, "tuning": load_card(tuned).get("settings")}
    save_checkpoint(out, mixed, {"labels": labels, "settings": settings})


def fold_of(group: str) -> int:
    return hashlib.sha256(f"head/{group}".encode()).digest()[0] % FOLDS


class Examples:
    """Mean features of the first part of each labelled training clip, as the network's hidden layer (N, 2048)."""

    def __init__(self, cache: Path, network: MoViNetA0Stream, labels: list[str]) -> None:
        index = json.loads((cache / "index.json").read_text())
        self.clips = [e for e in index if e["video_first"] >= 0]
        self.motion = np.load(cache / "motion.npy", mmap_mode="r")
        self.network, column = network, {label: k for k, label in enumerate(labels)}
        train = [e for e in self.clips if not e["held_out"]]
        pooled, right, weight, fold = [], [], [], []
        count = Counter((e["source"], e["label"]) for e in train)
        for entry in train:
            rows = self.features(entry)
            for share in PREFIXES:
                pooled.append(rows[: max(1, round(share * len(rows)))].mean(0))
                row = torch.zeros(len(labels), dtype=torch.bool)
                if entry["label"] and entry["label"] != NO_ACTION:
                    row[[column[name] for name in targets(entry["label"])]] = True
                right.append(row)
                weight.append(count[entry["source"], entry["label"]] ** -0.5)
                fold.append(fold_of(entry["group"]))
        self.hidden = self.hidden_layer(torch.from_numpy(np.stack(pooled)))
        self.right, self.fold = torch.stack(right), torch.tensor(fold)
        self.weight = torch.tensor(weight)

    def features(self, entry: dict[str, Any]) -> np.ndarray:
        """(T, 480) float32."""
        first = entry["video_first"]
        return self.motion[first : first + entry["frames"]].astype(np.float32)

    @torch.inference_mode()
    def hidden_layer(self, pooled: Tensor) -> Tensor:
        return F.relu6(self.network.hidden(pooled)).clone()

    def logits(self, entry: dict[str, Any], classifier: nn.Linear) -> np.ndarray:
        """Of a clip after each frame, (T, L)."""
        rows = self.features(entry)
        means = rows.cumsum(0) / np.arange(1, len(rows) + 1, dtype=np.float32)[:, None]
        with torch.inference_mode():
            return classifier(self.hidden_layer(torch.from_numpy(means))).numpy()


def fit_classifier(examples: Examples, start: nn.Linear, chosen: Tensor) -> nn.Linear:
    """The classifier fitted to the chosen examples, (N,) bool."""
    layer = nn.Linear(start.in_features, start.out_features)
    layer.load_state_dict(start.state_dict())
    hidden, right, weight = examples.hidden[chosen], examples.right[chosen], examples.weight[chosen]
    columns, labelled = torch.tensor(kinetics_columns()), right.any(1)
    with torch.inference_mode():
        own = start(hidden)[:, columns].log_softmax(1)
        first = start.weight.clone()
    own, first = own.clone(), first.clone()
    optimiser = torch.optim.LBFGS(layer.parameters(), max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        logits = layer(hidden)
        sets = logits.log_softmax(1).masked_fill(~right, -math.inf)[labelled].logsumexp(1)
        by_label = -(sets * weight[labelled]).sum() / weight[labelled].sum()
        kept = F.kl_div(logits[:, columns].log_softmax(1), own, log_target=True, reduction="batchmean")
        total = by_label + DISTILLATION * kept + L2_TO_START * ((layer.weight - first) ** 2).sum()
        total.backward()
        return total

    optimiser.step(loss)
    with torch.no_grad():
        layer.bias.sub_(torch.tensor(lowered_logits()))
    return layer.requires_grad_(False)


def held_out_figures(examples: Examples, classifier: nn.Linear, labels: list[str]) -> dict[str, Any]:
    """Top-1 and top-5 on held-out groups by source; an answer counts if it is the label or finer."""
    by_source: dict[str, list[tuple[bool, bool]]] = {}
    for entry in examples.clips:
        if entry["held_out"] and entry["label"] and entry["label"] != NO_ACTION:
            top = np.argsort(-examples.logits(entry, classifier)[-1])[:5]
            right = [labels[k] in targets(entry["label"]) for k in top]
            by_source.setdefault(source_name(entry["source"]), []).append((right[0], any(right)))
    return {
        source: {"clips": len(rows), **dict(zip(("top1", "top5"), np.mean(rows, 0).round(3).tolist(), strict=True))}
        for source, rows in sorted(by_source.items())
    }


def fit(mixed: Path, cache: Path, out: Path) -> None:
    tensors, card = load_checkpoint(mixed)
    labels = flat_labels()
    network = MoViNetA0Stream(len(labels))
    network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    examples = Examples(cache, network.requires_grad_(False), labels)
    every = fit_classifier(examples, network.classifier, torch.ones(len(examples.fold), dtype=torch.bool))
    folds = [fit_classifier(examples, network.classifier, examples.fold != k) for k in range(FOLDS)]
    logits = np.empty((len(examples.motion), len(labels)), np.float16)
    for entry in examples.clips:
        first, classifier = entry["video_first"], every if entry["held_out"] else folds[fold_of(entry["group"])]
        logits[first : first + entry["frames"]] = examples.logits(entry, classifier)
    np.save(cache / "logits.npy", logits)
    figures = held_out_figures(examples, every, labels)
    print(json.dumps(figures, indent=1))
    network.classifier = every
    tensors = {name: tensor.half() for name, tensor in network.state_dict().items()}
    card = {**card_of(labels), "settings": card["settings"], "held_out": figures}
    save_checkpoint(out / "video-encoder", tensors, card)


def card_of(labels: list[str]) -> dict[str, Any]:
    return {
        "model": "MoViNet-A0-Stream (Kondratyuk et al. 2021): a CNN that reads a video frame by frame",
        "labels": labels,
        "command": "python -m training.video_encoder --steps 1300, then python -m training.video_head mix --share 0.5, "
        "python -m training.clip_features and python -m training.video_head fit; paths in CONTRIBUTING.md",
        "seed": 0,
        "licence": "the network that it began from: Apache-2.0 (NOTICE)",
        "data": SOURCES,
        "limits": LIMITS,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    mixing = commands.add_parser("mix")
    mixing.add_argument("--start", type=Path, required=True, help="checkpoint of training/import_movinet.py")
    mixing.add_argument("--tuned", type=Path, required=True, help="checkpoint of training/video_encoder.py")
    mixing.add_argument("--share", type=float, default=0.5, help="of the tuned weights")
    mixing.add_argument("--out", type=Path, required=True)
    fitting = commands.add_parser("fit")
    fitting.add_argument("--mixed", type=Path, required=True)
    fitting.add_argument("--cache", type=Path, required=True, help="folder of training/clip_features.py")
    fitting.add_argument("--out", type=Path, required=True, help="folder of the weights")
    args = parser.parse_args()
    if args.command == "mix":
        mix(args.start, args.tuned, args.share, args.out)
    else:
        fit(args.mixed, args.cache, args.out)


if __name__ == "__main__":
    main()
