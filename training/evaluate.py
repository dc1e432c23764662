"""Measure the networks on what they were not fitted to, from the files themselves, through the path that users take.

    python -m training.score action [--cell lstm gru rnn] [--into-cards]
    python -m training.score caption photo plain clip [--cell lstm gru rnn] [--beam 1 3 5]

Recognisers, on the held-out groups, which nothing was fitted to. Printed for each cell: top-1 and top-5 accuracy by
source, the expected calibration error (15 bins), accuracy after 10, 25, 50 and 100 % of the frames (clips of four
frames and more), and how many answers the threshold of "not sure" lets through and how many of those are right. The
cards also tell the commonest mistakes.

Captioners: generated captions of the official validation photos (Flickr8k, Karpathy split) and videos (MSR-VTT), which
nothing was ever fitted to, against all human captions.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_calibration_error

from pipeline.media.clip import Clip
from pipeline.media.reader import read_clip
from pipeline.models.action import ActionModel, load_action
from pipeline.models.backbones import tuned_lite0
from pipeline.models.caption import DECODERS, CaptionModel, is_shipped, load_caption
from pipeline.models.checkpoint import WEIGHTS, change_card
from pipeline.models.encoder import Encoder, FrameFeatures, load_encoder
from pipeline.models.recurrent import CELLS
from pipeline.sandbox.messages import Frame
from training.data import CAPTION_SOURCE, Item, load_items, load_labels
from training.metrics import caption_metrics

SHARES = (0.10, 0.25, 0.50, 1.00)  # of a clip's frames
BINS = 15
PHOTOS = 20  # captioned at once
MISTAKES = 12  # that a card tells of


@dataclass(frozen=True)
class Reading:
    """What a network said of one held-out item: the true label, and the probabilities after every frame, (T, L)."""

    source: str
    label: int
    probabilities: np.ndarray


def report(readings: list[Reading], threshold: float, labels: list[str]) -> dict[str, Any]:
    """The figures of a cell's card."""
    last = torch.from_numpy(np.stack([r.probabilities[-1] for r in readings]))
    truth = torch.tensor([r.label for r in readings])
    best, right = last.max(1).values, last.argmax(1) == truth
    sure = best >= threshold
    by_source: dict[str, list[int]] = defaultdict(list)
    for k, reading in enumerate(readings):
        by_source[reading.source].append(k)
    clips = [r for r in readings if len(r.probabilities) >= 4]
    return {
        "by_source": {name: accuracy(last[rows], truth[rows]) for name, rows in sorted(by_source.items())},
        "all": accuracy(last, truth),
        "expected_calibration_error": _round(
            multiclass_calibration_error(last, truth, last.shape[1], n_bins=BINS, norm="l1")
        ),
        "accuracy_after_share_of_frames": {
            f"{share:.0%}": _round(np.mean([_after(r, share).argmax() == r.label for r in clips])) for share in SHARES
        },
        "sure": {"share": _round(sure.float().mean()), "right": _round(right[sure].float().mean())},
        "confusions": confusions(readings, labels),
    }


def confusions(readings: list[Reading], labels: list[str]) -> list[list[Any]]:
    """The commonest mistakes: [what it was, what was said, how often]."""
    pairs = Counter((reading.label, int(reading.probabilities[-1].argmax())) for reading in readings)
    mistakes = [(truth, said, count) for (truth, said), count in pairs.most_common() if truth != said]
    return [[labels[truth], labels[said], count] for truth, said, count in mistakes[:MISTAKES]]


def accuracy(probabilities: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """(N, L) and (N,) -> how many, and the share whose label is first, or among the first five."""
    classes = probabilities.shape[1]
    top1, top5 = (multiclass_accuracy(probabilities, labels, classes, average="micro", top_k=k) for k in (1, 5))
    return {"clips": len(labels), "top1": _round(top1), "top5": _round(top5)}


def _after(reading: Reading, share: float) -> np.ndarray:
    return reading.probabilities[ceil(share * len(reading.probabilities)) - 1]


def _round(value: float | torch.Tensor) -> float:
    return round(float(value), 3)


def table(figures: dict[str, Any]) -> str:
    """The figures as lines to read."""
    rows = {**figures["by_source"], "all": figures["all"]}
    lines = [
        f"  {name:10} {r['clips']:5} clips  top-1 {r['top1']:.3f}  top-5 {r['top5']:.3f}" for name, r in rows.items()
    ]
    shares = "  ".join(f"{share} {value:.3f}" for share, value in figures["accuracy_after_share_of_frames"].items())
    sure = figures["sure"]
    return "\n".join(
        [
            *lines,
            f"  calibration error {figures['expected_calibration_error']:.3f}",
            f"  accuracy after {shares} of the frames",
            f"  sure of {sure['share']:.0%}, right in {sure['right']:.0%} of those",
        ]
    )


def read_item(item: Item) -> Clip:
    """An item as a user would hand it over: a video, a photo, or a folder with just these images."""
    if len(item.paths) == 1:
        return read_clip(item.paths[0])
    images = [read_clip(path).frames[0].image for path in item.paths]
    frames = tuple(Frame(k, float(k), image) for k, image in enumerate(images))
    return Clip("folder", frames, len(frames) - 1.0, images[0].shape[1], images[0].shape[0])


def score_action(cells: list[str], weights: Path, into_cards: bool) -> None:
    items = held_out_items()
    encoded = encoded_frames(Encoder(tuned_lite0(weights)), items)
    for cell in cells:
        model = load_action(cell, weights)
        figures = action_figures(model, items, encoded)
        print(f"{cell}\n{table(figures)}", flush=True)
        if into_cards:
            change_card(weights / f"action-{cell}", {"held_out": figures})


def held_out_items() -> list[Item]:
    return [item for item in load_items() if item.held_out and item.label]


def encoded_frames(encoder: Encoder, items: list[Item]) -> list[list[FrameFeatures]]:
    """The features of every item's frames, read from its files."""
    return [list(encoder.encode_frames(read_item(item).frames)) for item in items]


def action_figures(model: ActionModel, items: list[Item], encoded: list[list[FrameFeatures]]) -> dict[str, Any]:
    labels = load_labels()
    readings = [
        Reading(item.source, labels.index(item.label), np.stack([s.probabilities for s in model.predict(features)]))
        for item, features in zip(items, encoded, strict=True)
    ]
    return report(readings, model.threshold, labels)


def score_captions(kinds: list[str], cells: list[str], widths: list[int], weights: Path) -> None:
    encoder = load_encoder()
    for kind in kinds:
        items, seen = seen_on_val(kind, encoder)
        for cell in filter(partial(is_shipped, kind, weights=weights), cells):
            model = load_caption(kind, cell, weights)
            for width in widths:
                measures = caption_figures(model, items, seen, width)
                figures = "  ".join(f"{k} {v:.3f}" for k, v in measures.items())
                print(f"{kind} {cell} beam {width}, {len(items)} of {CAPTION_SOURCE[kind]}: {figures}", flush=True)


def seen_on_val(kind: str, encoder: Encoder) -> tuple[list[Item], list[np.ndarray]]:
    """The official validation photos or videos, and what a captioner looks at of them, (B, R, D) at a time."""
    items = [item for item in load_items() if item.source == CAPTION_SOURCE[kind] and item.official_val]
    encoded = [encoder.encode([frame.image for frame in read_item(item).frames]) for item in items]
    if kind == "clip":
        return items, [each.features[None] for each in encoded]
    regions = np.concatenate([each.maps for each in encoded])
    return items, np.array_split(regions, len(regions) // PHOTOS)


def caption_figures(model: CaptionModel, items: list[Item], seen: list[np.ndarray], width: int) -> dict[str, float]:
    """Every measure of what beam search says of the items."""
    found = [best for features in seen for best, *_ in model.search(model.encode_array(features), width)]
    return caption_metrics([model.text(best) for best in found], [item.captions for item in items])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tasks = parser.add_subparsers(dest="task", required=True)
    action = tasks.add_parser("action")
    action.add_argument("--cell", nargs="+", choices=CELLS, default=list(CELLS))
    action.add_argument("--weights", type=Path, default=WEIGHTS)
    action.add_argument("--into-cards", action="store_true", help="the cards' figures shall be these")
    caption = tasks.add_parser("caption")
    caption.add_argument("kind", nargs="+", choices=DECODERS)
    caption.add_argument("--cell", nargs="+", choices=CELLS, default=list(CELLS))
    caption.add_argument("--beam", nargs="+", type=int, default=[1, 3, 5])
    caption.add_argument("--weights", type=Path, default=WEIGHTS)
    args = parser.parse_args()
    if args.task == "action":
        score_action(args.cell, args.weights, args.into_cards)
    else:
        score_captions(args.kind, args.cell, args.beam, args.weights)


if __name__ == "__main__":
    main()
