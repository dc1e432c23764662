"""The cached clips, photos and lists of frames as sequences: random ones for training, and complete ones, as the app
reads them."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipeline.media.reader import MAX_STEPS
from pipeline.models.action import NO_ACTION
from pipeline.models.efficientnet_lite import FEATURE_SIZE
from pipeline.models.movinet import FEATURE_SIZE as MOTION_SIZE
from training.labels import targets
from training.picture_cache import DOMAIN_WEIGHTS

SHORTEST = 0.3  # share of a clip: training clips end after this share at the earliest
MOTION_DROP_SHARE, APPEARANCE_DROP_SHARE = 0.15, 0.15  # of the training clips
STILL_SHARE = 0.4  # of a batch


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
        self.items = [e for e in index if not e["removed"]]
        self.appearance = np.load(cache / "appearance.npy", mmap_mode="r")
        self.motion = np.load(cache / "motion.npy", mmap_mode="r")
        self.logits = np.load(cache / "logits.npy", mmap_mode="r")
        column = {label: k for k, label in enumerate(labels)}
        self.right = {e["label"]: torch.zeros(len(labels), dtype=torch.bool) for e in self.items}
        for label, row in self.right.items():
            if label is not None and label != NO_ACTION:
                row[[column[name] for name in targets(label)]] = True
        self.train = [e for e in self.items if not e["held_out"] and self.right[e["label"]].any()]
        # Without those whose label is none of ours: one of Kinetics-600 may be right for them.
        self.held_out = [e for e in self.items if e["held_out"] and e["label"]]
        count = Counter((e["source"], e["label"]) for e in self.train)
        moves = np.array([e["video_first"] >= 0 for e in self.train])
        weight = np.array(
            [DOMAIN_WEIGHTS.get(e["source"], 1.0) * count[e["source"], e["label"]] ** -0.5 for e in self.train]
        )
        clips, stills = weight * moves, weight * ~moves
        self.weight = (1 - STILL_SHARE) * clips / clips.sum() + STILL_SHARE * stills / stills.sum()

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
