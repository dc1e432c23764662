"""How much of an action a linear reading finds in the video encoder's features, on groups that it did not learn from.

    python -m training.video_readings --cache ../cache/video [--view central]

Reads what training/video_features.py wrote. Each clip is scored once, by a logistic regression that learned from the
other groups (five folds; a group is a source video, a person or a place). The first table is the share of right labels
among those of all cached sources together. "600 answers" is the untouched encoder without any training: the share of
clips whose likeliest Kinetics label says the same as ours or is finer, among the clips whose label has such words. The
second table is the forced choice between two actions that only order tells apart, learned from these two alone.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeline.models.movinet import MoViNetA0Stream
from training.data import DATA
from training.import_movinet import import_published
from training.labels import kinetics_names

FOLDS = 5
INVERSE_PENALTY = 0.03  # of the logistic regression, on features of unit variance
PAIRS = (("sitting down", "standing up"), ("opening a door", "closing a door"))


@dataclass(frozen=True)
class CachedClip:
    """``features`` (T, 480) of each frame; ``hidden`` (2048,), the layer before the answers, and ``logits`` (600,)
    after the last frame."""

    source: str
    group: str
    label: str
    features: np.ndarray
    hidden: np.ndarray
    logits: np.ndarray


@torch.inference_mode()
def load_cache(folder: Path, network: MoViNetA0Stream) -> list[CachedClip]:
    """The labelled clips of all sources in ``folder``, which ``network`` has read."""
    clips = []
    for path in sorted(folder.glob("*.json")):
        arrays, first = np.load(path.with_suffix(".npz")), 0
        features, logits = arrays["features"].astype(np.float32), arrays["logits"].astype(np.float32)
        for entry in json.loads(path.read_text()):
            last = first + entry["frames"]
            if entry["label"]:
                group = f"{entry['source']}/{entry['group']}"
                rows = features[first:last]
                hidden = F.relu6(network.hidden(torch.from_numpy(rows.mean(0)))).numpy()
                clips.append(CachedClip(entry["source"], group, entry["label"], rows, hidden, logits[last - 1]))
            first = last
    return clips


def mean_features(clip: CachedClip) -> np.ndarray:
    """(480,): the order of the frames matters only through the encoder's stream buffers."""
    return clip.features.mean(0)


def thirds(clip: CachedClip) -> np.ndarray:
    """(1440,): the means over the first, second and last third of the frames. Shorter clips repeat frames."""
    bounds = np.linspace(0, len(clip.features), 4)
    starts, ends = np.floor(bounds[:-1]).astype(int), np.ceil(bounds[1:]).astype(int)
    return np.concatenate([clip.features[a:b].mean(0) for a, b in zip(starts, ends, strict=True)])


def hidden_layer(clip: CachedClip) -> np.ndarray:
    """(2048,): the encoder's own non-linear reading of the mean features."""
    return clip.hidden


def log_answers(clip: CachedClip) -> np.ndarray:
    """(600,): the encoder's own answers as log probabilities."""
    return clip.logits - np.logaddexp.reduce(clip.logits)


READINGS: dict[str, Callable[[CachedClip], np.ndarray]] = {
    "mean features": mean_features,
    "thirds": thirds,
    "hidden layer": hidden_layer,
    "log answers": log_answers,
}


def held_out_predictions(clips: list[CachedClip], read: Callable[[CachedClip], np.ndarray]) -> np.ndarray:
    """The label that each clip gets from a regression that learned from other groups."""
    x = np.stack([read(clip) for clip in clips])
    labels, groups = np.array([c.label for c in clips]), np.array([c.group for c in clips])
    predicted = np.empty_like(labels)
    for train, test in StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0).split(x, labels, groups):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=INVERSE_PENALTY, max_iter=500))
        predicted[test] = model.fit(x[train], labels[train]).predict(x[test])
    return predicted


def own_answers_right(clips: list[CachedClip]) -> list[bool]:
    """For each clip whose label has words among Kinetics-600: whether the untouched encoder's first answer is one."""
    names = kinetics_names()
    finer = json.loads((DATA / "more" / "kinetics.json").read_text())
    return [names[clip.logits.argmax()] in finer[clip.label] for clip in clips if finer.get(clip.label)]


def print_sources(clips: list[CachedClip]) -> None:
    """The share of right labels of each source, for each reading."""
    right = {name: held_out_predictions(clips, read) == [c.label for c in clips] for name, read in READINGS.items()}
    print(f"{len({c.label for c in clips})} labels, {len(clips)} clips, {len({c.group for c in clips})} groups")
    print(f"{'source':<20}clips " + "".join(f"{name:>16}" for name in [*READINGS, "600 answers", "of clips"]))
    for source in sorted({c.source for c in clips}):
        rows = [k for k, clip in enumerate(clips) if clip.source == source]
        own = own_answers_right([clips[k] for k in rows])
        cells = [f"{right[name][rows].mean():.3f}" for name in READINGS]
        cells += [f"{np.mean(own):.3f}" if own else "-", str(len(own))]
        print(f"{source:<20}{len(rows):5} " + "".join(f"{cell:>16}" for cell in cells))


def print_pairs(clips: list[CachedClip]) -> None:
    """The share of right choices between two labels, for each pair and reading."""
    for pair in PAIRS:
        mine = [clip for clip in clips if clip.label in pair]
        if len({clip.label for clip in mine}) < len(pair):
            continue
        labels = [clip.label for clip in mine]
        shares = ", ".join(
            f"{name} {(held_out_predictions(mine, read) == labels).mean():.3f}" for name, read in READINGS.items()
        )
        print(f"{' / '.join(pair)}: {len(mine)} clips: {shares}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--view", choices=["fitted", "central"], default="fitted")
    arguments = parser.parse_args()
    clips = load_cache(arguments.cache / arguments.view, import_published())
    print_sources(clips)
    print_pairs(clips)


if __name__ == "__main__":
    main()
