"""Measure how well a recogniser is taught from a few clips of each label (pipeline/teaching), and what else was tried.

    python -m training.few_shot --cache ../cache/clips --encoder weights/video-encoder

It reads the frames that training.clip_features cached, and takes sets of labels that the shipped recognisers do not
have: strokes and shots (names of files tell them), tricks, drills, and pairs that differ in order only. In every draw
so many clips of each label are taught and all others of the set are asked. Where a set has groups (source videos,
people) enough, no group is on both sides. The figures are means over the draws.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from pipeline.models.checkpoint import load_checkpoint
from pipeline.models.movinet import SIDE, MoViNetA0Stream
from pipeline.models.recurrent import GRUCell
from pipeline.models.video_encoder import VideoEncoder
from pipeline.teaching import fitting
from pipeline.teaching.examples import Example, half
from pipeline.teaching.fitting import fit, mean_of, standardised
from pipeline.teaching.judging import scores_of

Entry = dict[str, Any]
Method = Callable[[list[Example], list[Example], list[str]], np.ndarray]  # taught, asked, labels -> scores (N, A)

PAIRS = {  # label -> its opposite
    "sitting down or standing up": ("sitting down", "standing up"),
    "opening or closing a door": ("opening a door", "closing a door"),
}
TEN = {  # file names of ten strokes, tricks and drills of five sources
    "rackets": ("tennis-serve", "tennis-forehand", "tennis-smash", "tabletennis-left_righty_backhand_shot"),
    "skate": ("Kickflip", "Ollie"),
    "football": ("drill", "pass"),
    "pushups": ("correct", "wrong"),
}
CELL_SIZE, EPOCHS, RATE, STEPS = 64, 60, 0.01, 10  # of the GRU that is fitted from scratch


def file_label(entry: Entry) -> str:
    """The label that the name of a file tells: "tennis-serve19.mp4" is a tennis-serve."""
    name = Path(entry["paths"][0]).stem
    return re.sub(r"-?\d+$", "", name) if entry["source"] == "rackets" else name.split("-")[0]


def sets_of(entries: Sequence[Entry]) -> dict[str, list[tuple[str, Entry]]]:
    """Each set as (label, clip)."""
    named = [(file_label(e), e) for e in entries]
    found = {
        "seven strokes": [pair for pair in named if pair[0].startswith("tennis-")],
        "eight shots": [pair for pair in named if pair[0].startswith("tabletennis-")],
        "ten labels": [pair for pair in named if pair[0] in TEN.get(pair[1]["source"], ())],
    }
    for title, labels in PAIRS.items():
        found[title] = [(e["label"], e) for e in entries if e["label"] in labels and e["source"] != "arid"]
    return found


class Clips:
    """The cached clips as examples; the video encoder reads the small frames again for the layout."""

    def __init__(self, cache: Path, checkpoint: Path) -> None:
        tensors, card = load_checkpoint(checkpoint)
        network = MoViNetA0Stream(len(card["labels"]))
        network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
        self.video = VideoEncoder(network, card["labels"])
        self.frames = np.memmap(cache / "frames.raw", np.uint8, "r").reshape(-1, SIDE, SIDE, 3)
        self.appearance = np.load(cache / "appearance.npy", mmap_mode="r")

    def example(self, label: str, entry: Entry) -> Example:
        count, first = entry["frames"], entry["video_first"]
        motions, _ = self.video.read(list(self.frames[first : first + count]), entry["times"])
        appearance = self.appearance[entry["first"] : entry["first"] + count]
        motion, layout = half([m.features for m in motions]), half([m.layout for m in motions])
        return Example(
            label, entry["group"], float(entry["times"][-1]), half(appearance), motion, layout, half(np.zeros(1))
        )


def draws(examples: Sequence[Example], each: int, count: int) -> Iterator[tuple[list[Example], list[Example]]]:
    """Taught and asked clips of ``count`` draws. Where every label has groups enough, no group is on both sides."""
    labels = sorted({e.label for e in examples})
    grouped = min(len({e.name for e in examples if e.label == label}) for label in labels) > each
    for seed in range(count):
        order = np.random.default_rng(seed).permutation(len(examples)).tolist()
        taught: list[int] = []
        for label in labels:
            own, groups = [k for k in order if examples[k].label == label], set[str]()
            for k in own:
                if len([t for t in taught if examples[t].label == label]) < min(each, len(own) - 2):
                    if grouped and examples[k].name in groups:
                        continue
                    groups.add(examples[k].name)
                    taught.append(k)
        used = {examples[k].name for k in taught}
        asked = [k for k in order if k not in taught and not (grouped and examples[k].name in used)]
        yield [examples[k] for k in taught], [examples[k] for k in asked]


# ── Methods ──────────────────────────────────────────────────────────────────────────────────────────────────────


def nearest_mean(taught: list[Example], asked: list[Example], labels: list[str]) -> np.ndarray:
    """The nearest class mean of the frame features, by cosine."""
    rows = [unit(np.stack([mean_of(e.appearance).numpy() for e in part])) for part in (taught, asked)]
    means = [rows[0][[e.label == label for e in taught]].mean(0) for label in labels]
    return -((rows[1][:, None] - np.stack(means)) ** 2).sum(2)


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def ridge_on(*parts: str) -> Method:
    """A ridge regression on the means of these features, without any order."""

    def scores(taught: list[Example], asked: list[Example], labels: list[str]) -> np.ndarray:
        total: Any = 0
        targets, penalty = fitting.regression_targets(taught, labels)
        described = [standardised(torch.stack([mean_of(getattr(e, part)) for e in taught])) for part in parts]
        kernel = fitting.mixed([d.kernel() for d in described], [1 / len(parts)] * len(parts))
        dual = torch.linalg.solve(kernel + penalty.diag(), targets)
        for part, each in zip(parts, described, strict=True):
            weights, offset = each.weights(dual / len(parts))
            total = total + torch.stack([mean_of(getattr(e, part)) for e in asked]) @ weights.T - offset
        return total.numpy()

    return scores


def taught_recogniser(mixture: tuple[float, ...] | None = None) -> Method:
    """The library's recogniser; with one mixture only, if it is given."""

    def scores(taught: list[Example], asked: list[Example], labels: list[str]) -> np.ndarray:
        chosen = fitting.MIXTURES
        try:
            fitting.MIXTURES = (mixture,) if mixture else chosen  # type: ignore[assignment]
            network, moves = fit(taught, labels)
        finally:
            fitting.MIXTURES = chosen
        return np.stack([scores_of(network, e, moves)[1] for e in asked])

    return scores


def fitted_cell(taught: list[Example], asked: list[Example], labels: list[str]) -> np.ndarray:
    """A small GRU fitted from scratch to the movement features, on pseudo-sequences: pieces of the clips of random
    length with jittered steps."""
    torch.manual_seed(0)
    network, _ = fit(taught, labels)
    cell, readout = GRUCell(network.basis.shape[1], CELL_SIZE), torch.nn.Linear(CELL_SIZE, len(labels))
    trained = [*cell.parameters(), *readout.parameters()]
    optimiser = torch.optim.AdamW(trained, RATE, weight_decay=0.05)
    inputs = [network.cell_inputs(torch.from_numpy(mean_free(e)))[:, :-1] for e in taught]
    right, rng = torch.tensor([labels.index(e.label) for e in taught]), np.random.default_rng(0)
    for _ in range(EPOCHS):
        last = cell.scan(torch.stack([piece(x, rng) for x in inputs]))[1].h
        loss = F.cross_entropy(readout(F.dropout(last, 0.3)), right)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.inference_mode():
        asked_inputs = [network.cell_inputs(torch.from_numpy(mean_free(e)))[:, :-1] for e in asked]
        return readout(cell.scan(torch.stack([resampled(x) for x in asked_inputs]))[1].h).numpy()


def mean_free(example: Example) -> np.ndarray:
    assert example.motion is not None, "all clips of the sets are videos"
    return example.motion.astype(np.float32)


def piece(x: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """A random piece of a clip, with jittered steps."""
    length = max(2, round(len(x) * rng.uniform(0.6, 1)))
    first = int(rng.integers(0, len(x) - length + 1)) if len(x) > length else 0
    return resampled(x[first : first + length], rng.uniform(-0.5, 0.5, STEPS))


def resampled(x: torch.Tensor, jitter: np.ndarray | float = 0.0) -> torch.Tensor:
    """STEPS frames of a sequence, evenly spread."""
    places = (np.arange(STEPS) + 0.5 + jitter) / STEPS * len(x)
    return x[torch.from_numpy(places.astype(int).clip(0, len(x) - 1))]


METHODS: dict[str, Method] = {
    "taught: the best mixture": taught_recogniser(),
    "nearest class mean of frames": nearest_mean,
    "mean of appearance": ridge_on("appearance"),
    "mean of motion": ridge_on("motion"),
    "both means": ridge_on("appearance", "motion"),
    "memory cell alone": taught_recogniser((1.0, 0.0, 0.0)),
    "layout alone": taught_recogniser((0.0, 1.0, 0.0)),
    "GRU fitted from scratch": fitted_cell,
}


def accuracy(method: Method, examples: Sequence[Example], each: int, count: int) -> float:
    found = []
    for taught, asked in draws(examples, each, count):
        labels = sorted({e.label for e in taught})
        said = method(taught, asked, labels).argmax(1)
        found.append(float(np.mean([labels[k] == e.label for k, e in zip(said, asked, strict=True)])))
    return float(np.mean(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="folder of training.clip_features")
    parser.add_argument("--encoder", type=Path, required=True, help="the video encoder's checkpoint")
    parser.add_argument("--draws", type=int, default=8)
    parser.add_argument("--sets", nargs="+", help="only these sets")
    args = parser.parse_args()
    torch.set_num_threads(1)  # small matrices: see pipeline/teaching/lesson.py
    entries = [e for e in json.loads((args.cache / "index.json").read_text()) if e["video_first"] >= 0]
    clips = Clips(args.cache, args.encoder)
    for title, pairs in sets_of(entries).items():
        if args.sets and title not in args.sets:
            continue
        examples = [clips.example(label, entry) for label, entry in pairs]
        print(f"{title}: {len(examples)} clips", flush=True)
        for name, method in METHODS.items():
            figures = [accuracy(method, examples, each, args.draws) for each in (5, 10)]
            print(f"  {name:30s} 5 clips each {figures[0]:.2f}   10 clips each {figures[1]:.2f}", flush=True)


if __name__ == "__main__":
    main()
