"""Evaluate the networks on held-out files, along the whole path from the file to the prediction.

    python -m training.evaluate action [--cell lstm gru rnn] [--more ../data-more] [--into-cards]
    python -m training.evaluate caption photo plain clip [--cell lstm gru rnn] [--beam 1 3 5]

Recognisers: the held-out groups, which no weights were fitted to, and whole sources of which nothing was learned
("unseen"). A label is right for an item if it is the item's label or finer (training/labels.py). Printed for each cell:

* top-1 and top-5 accuracy by source, and top-1 accuracy after 10, 25, 50 and 100 % of the frames (clips of four frames
  and more);
* for held-out groups, for web clips and for photos of unseen sources, items in which nobody acts included: the expected
  calibration error of the likeliest label (15 bins); the share of items with an answer (pipeline/analysis/hedging.py),
  and the share of these answers that is right; of the items in which nobody acts, the share with "no action" or no
  answer; and the share of wrong answers by the share of items that are answered, if the threshold is moved.

With --into-cards the cards also get the commonest mistakes.

Captioners: generated captions of the official validation photos (Flickr8k, Karpathy split) and videos (MSR-VTT), which
no weights were fitted to, compared with all human captions.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchmetrics.functional.classification import binary_calibration_error

from pipeline.analysis.hedging import AnswerRule
from pipeline.analysis.reading import answer_rule
from pipeline.media.clip import Clip
from pipeline.media.reader import read_clip
from pipeline.models.action import NO_ACTION, ActionModel, load_action
from pipeline.models.backbones import tuned_lite0
from pipeline.models.caption import DECODERS, CaptionModel, frames_read, is_shipped, load_caption
from pipeline.models.checkpoint import WEIGHTS, change_card
from pipeline.models.encoder import Encoder, FrameFeatures, load_encoder
from pipeline.models.recurrent import CELLS
from pipeline.models.video_encoder import load_video_encoder
from pipeline.sandbox.messages import Frame
from training.data import CAPTION_SOURCE, HELD_OUT_SOURCES, Item, load_items, load_more
from training.labels import targets
from training.metrics import caption_metrics

FRAME_SHARES = (0.10, 0.25, 0.50, 1.00)
CALIBRATION_BINS = 15
PHOTO_BATCH = 20  # photos per batch
TINY = 1e-9  # keeps a logarithm finite
MAX_CONFUSIONS = 12  # in a card
SURENESS = ("held_out_groups", "unseen_clips", "unseen_photos")  # sets of items
COVERAGES = 20  # points of the curve of risk by coverage


@dataclass(frozen=True)
class ItemPrediction:
    """A held-out item: its true label, all labels that are right for it, and the predicted probabilities after every
    frame, (T, L)."""

    source: str
    label: str | None  # NO_ACTION where nobody acts; None if it is no label of ours
    right: frozenset[int]  # the true label and the finer ones
    probabilities: np.ndarray
    unseen: bool  # whether nothing was learned from its source

    @property
    def is_action(self) -> bool:
        return self.label not in (None, NO_ACTION)


def right_labels(label: str | None, labels: Sequence[str]) -> frozenset[int]:
    """The indices of the labels that are right for an item with this label."""
    right = frozenset() if label is None else {label, *targets(label)}
    return frozenset(k for k, name in enumerate(labels) if name in right)


def report(predictions: list[ItemPrediction], rule: AnswerRule) -> dict[str, Any]:
    """The figures of a cell's card; the rule has the labels of the predictions."""
    actions = [p for p in predictions if p.is_action]
    by_source: dict[str, list[ItemPrediction]] = defaultdict(list)
    for prediction in actions:
        by_source[prediction.source].append(prediction)
    clips = [p for p in actions if len(p.probabilities) >= 4]
    web = "web, new"
    return {
        "by_source": {name: accuracy(own, rule) for name, own in sorted(by_source.items())},
        "all": accuracy(actions, rule),
        "accuracy_after_share_of_frames": {
            f"{share:.0%}": _round(np.mean([first_label(_after(p, share), rule) in p.right for p in clips] or [False]))
            for share in FRAME_SHARES
        },
        "held_out_groups": sureness([p for p in predictions if not p.unseen], rule),
        "unseen_clips": sureness([p for p in predictions if p.unseen and p.source == web], rule),
        "unseen_photos": sureness([p for p in predictions if p.unseen and p.source != web], rule),
        "confusions": confusions(actions, rule),
    }


def first_label(probabilities: np.ndarray, rule: AnswerRule) -> int:
    """The likeliest label that can be said."""
    return rule.ranked(probabilities)[0]


def sureness(predictions: list[ItemPrediction], rule: AnswerRule) -> dict[str, Any]:
    """How far the recogniser can be trusted: calibration error, the share of items with an answer, the share of these
    that is right, or true but broader than the label, and the risk by coverage."""
    if not predictions:
        return {"items": 0}
    answers = [(p, rule.answer(p.probabilities[-1])) for p in predictions]
    given = [(p, answer.label) for p, answer in answers if answer.is_sure]
    is_right = [rule.labels.index(label) in p.right for p, label in given]
    broader = [p.label is not None and p.label in rule.finer.get(label, ()) for p, label in given]
    quiet = [not a.is_sure or a.is_no_action for p, a in answers if p.label == NO_ACTION]
    best = [first_label(p.probabilities[-1], rule) for p in predictions]
    confidence = torch.tensor([float(p.probabilities[-1][k]) for p, k in zip(predictions, best, strict=True)])
    right = torch.tensor([k in p.right for p, k in zip(predictions, best, strict=True)])
    error = binary_calibration_error(confidence.clamp(0, 1), right.int(), n_bins=CALIBRATION_BINS, norm="l1")
    return {
        "items": len(predictions),
        "expected_calibration_error": _round(error),
        "share": _round(len(given) / len(predictions)),
        "right": _round(np.mean(is_right or [False])),
        "broader": _round(np.mean(broader or [False])),
        "nobody_acts": len(quiet),
        "quiet_where_nobody_acts": _round(np.mean(quiet or [False])),
        "risk_by_coverage": risk_by_coverage(confidence, right),
    }


def risk_by_coverage(confidence: torch.Tensor, right: torch.Tensor) -> list[list[float]]:
    """[coverage, risk]: if the most certain share of the items is answered, the share of wrong answers among these."""
    wrong = (~right)[confidence.argsort(descending=True)].float().cumsum(0) / torch.arange(1, len(right) + 1)
    counts = np.unique(np.ceil(np.linspace(0, len(right), COVERAGES + 1)[1:]).astype(int))
    return [[_round(count / len(right)), _round(wrong[count - 1])] for count in counts.tolist()]


def confusions(predictions: list[ItemPrediction], rule: AnswerRule) -> list[list[Any]]:
    """The commonest mistakes: [true label, predicted label, count]."""
    pairs = [(p, first_label(p.probabilities[-1], rule)) for p in predictions]
    mistakes = Counter((p.label, rule.labels[said]) for p, said in pairs if said not in p.right)
    return [[truth, said, count] for (truth, said), count in mistakes.most_common(MAX_CONFUSIONS)]


def accuracy(predictions: list[ItemPrediction], rule: AnswerRule) -> dict[str, float]:
    """The number of items, top-1 and top-5 accuracy."""
    ranks = [[k in p.right for k in rule.ranked(p.probabilities[-1])[:5]] for p in predictions]
    top1, top5 = np.mean([(hits[0], any(hits)) for hits in ranks], 0)
    return {"clips": len(predictions), "top1": _round(top1), "top5": _round(top5)}


def _after(prediction: ItemPrediction, share: float) -> np.ndarray:
    """The probabilities (L,) after this share of the frames."""
    return prediction.probabilities[ceil(share * len(prediction.probabilities)) - 1]


def _round(value: float | np.floating | torch.Tensor) -> float:
    return round(float(value), 3)


def table(figures: dict[str, Any]) -> str:
    """The figures as text."""
    rows = {**figures["by_source"], "all": figures["all"]}
    lines = [
        f"  {name:10} {r['clips']:5} clips  top-1 {r['top1']:.3f}  top-5 {r['top5']:.3f}" for name, r in rows.items()
    ]
    shares = "  ".join(f"{share} {value:.3f}" for share, value in figures["accuracy_after_share_of_frames"].items())
    return "\n".join(
        [
            *lines,
            f"  accuracy after {shares} of the frames",
            *(sureness_line(name, figures[name]) for name in SURENESS if figures[name]["items"]),
        ]
    )


def sureness_line(name: str, found: dict[str, Any]) -> str:
    risks = "  ".join(f"{coverage:.2f} {risk:.3f}" for coverage, risk in found["risk_by_coverage"][3::4])
    return (
        f"  {name.replace('_', ' ')}, {found['items']} items: "
        f"calibration error {found['expected_calibration_error']:.3f}; "
        f"an answer in {found['share']:.0%}, of these {found['right']:.0%} right and {found['broader']:.0%} broader; "
        f"quiet in {found['quiet_where_nobody_acts']:.0%} of {found['nobody_acts']} where nobody acts\n"
        f"    risk by coverage: {risks}"
    )


def read_item(item: Item) -> Clip:
    """An item as the app reads it: a video, a photo, or a folder of images."""
    if len(item.paths) == 1:
        return read_clip(item.paths[0])
    images = [read_clip(path).frames[0].image for path in item.paths]
    frames = tuple(Frame(k, float(k), image) for k, image in enumerate(images))
    return Clip("folder", frames, len(frames) - 1.0, images[0].shape[1], images[0].shape[0])


def evaluate_action(cells: list[str], more: Path | None, weights: Path, into_cards: bool) -> None:
    items = held_out_items(more)
    encoder = Encoder(tuned_lite0(weights))
    encoder.video = load_video_encoder(encoder.engine, weights)
    features = encode_items(encoder, items)
    print(f"alone\n{opinions_alone(load_action(cells[0], weights), items, features)}", flush=True)
    for cell in cells:
        model = load_action(cell, weights)
        figures = action_figures(model, items, features)
        print(f"{cell}\n{table(figures)}", flush=True)
        if into_cards:
            change_card(weights / f"action-{cell}", {"held_out": figures})


def held_out_items(more: Path | None) -> list[Item]:
    """The items that no weights were fitted to: with an action label, without any action, or web clips whose label is
    none of ours. ``more`` is the folder of further clips and photos."""
    items = [item for item in load_items() if item.held_out and item.label]
    if more is not None:
        items += [i for i in load_more(more) if i.held_out and (i.label or i.source.startswith("web"))]
    return items


def source_name(source: str) -> str:
    """The name in tables: the many small sources of web clips are two, those that nothing was learned from and those of
    which some groups were held out; and so are those of photos without any action."""
    kind = next((kind for kind in ("web", "none") if source.startswith(f"{kind}-")), source)
    return f"{kind}, new" if source in HELD_OUT_SOURCES else kind


def encode_items(encoder: Encoder, items: list[Item]) -> list[list[FrameFeatures]]:
    """The features of every item's frames, read from its files."""
    return [list(encoder.encode_frames(read_item(item))) for item in items]


def action_figures(model: ActionModel, items: list[Item], features: list[list[FrameFeatures]]) -> dict[str, Any]:
    """The figures of a recogniser's card, from the features of held-out items."""
    predictions = [
        ItemPrediction(
            source_name(item.source),
            item.label if right_labels(item.label, model.labels) else None,
            right_labels(item.label, model.labels),
            np.stack([step.probabilities for step in model.predict(frames)]),
            item.source in HELD_OUT_SOURCES,
        )
        for item, frames in zip(items, features, strict=True)
    ]
    return report(predictions, answer_rule(model))


def opinions_alone(model: ActionModel, items: list[Item], features: list[list[FrameFeatures]]) -> str:
    """Top-1 by source of what the recogniser is to better: the mean of the image opinion over the frames, and the video
    encoder's answer after the last frame. Both are those of every cell."""
    right: dict[str, list[tuple[bool, bool | None]]] = defaultdict(list)
    for item, frames in zip(items, features, strict=True):
        if item.label in (None, NO_ACTION):
            continue
        good = right_labels(item.label, model.labels)
        image = int(np.log(model.per_frame_probabilities(frames)[:, : len(model.actions)] + TINY).mean(0).argmax())
        motion = frames[-1].motion
        by_motion = None if motion is None else int(motion.logits.argmax()) in good
        right[source_name(item.source)].append((image in good, by_motion))
    lines = []
    for source, rows in sorted(right.items()):
        video = [by_motion for _, by_motion in rows if by_motion is not None]
        alone = f"  video encoder {np.mean(video):.3f}" if video else ""
        lines.append(
            f"  {source:10} {len(rows):5} clips  image {np.mean([by_image for by_image, _ in rows]):.3f}{alone}"
        )
    return "\n".join(lines)


def evaluate_captions(kinds: list[str], cells: list[str], widths: list[int], weights: Path) -> None:
    encoder = load_encoder()
    for kind in kinds:
        items, features = validation_features(kind, encoder)
        for cell in filter(partial(is_shipped, kind, weights=weights), cells):
            model = load_caption(kind, cell, weights)
            for width in widths:
                measures = caption_figures(model, items, features, width)
                figures = "  ".join(f"{k} {v:.3f}" for k, v in measures.items())
                print(f"{kind} {cell} beam {width}, {len(items)} of {CAPTION_SOURCE[kind]}: {figures}", flush=True)


def validation_features(kind: str, encoder: Encoder) -> tuple[list[Item], list[np.ndarray]]:
    """The official validation photos or videos, and the features that a captioner of this kind reads, in batches of
    (B, R, D)."""
    items = [item for item in load_items() if item.source == CAPTION_SOURCE[kind] and item.is_validation]
    encoded = [encoder.encode(images_read(read_item(item))) for item in items]
    if kind == "clip":
        return items, [each.features[None] for each in encoded]
    regions = np.concatenate([each.maps for each in encoded])
    return items, np.array_split(regions, len(regions) // PHOTO_BATCH)


def images_read(clip: Clip) -> list[np.ndarray]:
    """The images of a clip that a captioner reads."""
    return [clip.frames[k].image for k in frames_read([frame.time for frame in clip.frames])]


def caption_figures(model: CaptionModel, items: list[Item], features: list[np.ndarray], width: int) -> dict[str, float]:
    """All caption metrics of beam search on the items."""
    best = [hypotheses[0] for batch in features for hypotheses in model.search(model.encode_array(batch), width)]
    return caption_metrics([model.text(sentence) for sentence in best], [item.captions for item in items])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    tasks = parser.add_subparsers(dest="task", required=True)
    action = tasks.add_parser("action")
    action.add_argument("--cell", nargs="+", choices=CELLS, default=list(CELLS))
    action.add_argument("--weights", type=Path, default=WEIGHTS)
    action.add_argument("--more", type=Path, help="the folder that ../shared/data/more/build.py wrote")
    action.add_argument("--into-cards", action="store_true", help="write the figures into the cards")
    caption = tasks.add_parser("caption")
    caption.add_argument("kind", nargs="+", choices=DECODERS)
    caption.add_argument("--cell", nargs="+", choices=CELLS, default=list(CELLS))
    caption.add_argument("--beam", nargs="+", type=int, default=[1, 3, 5])
    caption.add_argument("--weights", type=Path, default=WEIGHTS)
    args = parser.parse_args()
    if args.task == "action":
        evaluate_action(args.cell, args.more, args.weights, args.into_cards)
    else:
        evaluate_captions(args.kind, args.cell, args.beam, args.weights)


if __name__ == "__main__":
    main()
