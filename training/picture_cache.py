"""The files written by ``python -m training.pictures``, opened for reading, and how much each picture counts."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline.canvas import TALL, WIDE
from pipeline.models.action import NO_ACTION
from pipeline.models.efficientnet_lite import STRIDE
from training.data import Item, is_held_out
from training.labels import image_labels, targets

CHANNELS = 80
POSITIONS = {tall: tuple(2 * side // STRIDE for side in (TALL if tall else WIDE)) for tall in (False, True)}
# Web videos are few among the labelled pictures; they are what people have.
DOMAIN_WEIGHTS = {"msrvtt": 8.0, "web": 5.0, "sports100": 0.5}
NEAR_DUPLICATES = "near_duplicates.json"  # in the folder of the cache, by training/near_duplicates.py
ACTING_SOURCES = frozenset({"flickr8k", "msrvtt"})  # their captions tell of people or animals that do something


class PictureCache:
    """Pictures of all sources, row by row. ``features`` and ``before`` are (N, 1280) float16, of the tuned encoder and
    of the one before tuning; ``item`` (N,) is each picture's item; ``alike`` and ``tall`` are (N,) bool."""

    def __init__(self, folder: Path) -> None:
        self.items: list[Item] = []
        parts: dict[str, list[np.ndarray]] = {"features": [], "before": [], "item": [], "alike": [], "tall": []}
        self._maps: list[np.ndarray] = []
        thumbs = []
        removed = folder / NEAR_DUPLICATES
        self.removed = set(json.loads(removed.read_text())) if removed.exists() else set()  # first paths of items
        for path in sorted(set(folder.glob("*.json")) - {removed}):
            arrays, first = np.load(path.with_suffix(".npz")), len(self.items)
            listed = [Item(**{**e, "paths": tuple(map(Path, e["paths"]))}) for e in json.loads(path.read_text())]
            self.items += listed
            for name, part in parts.items():
                part.append(arrays[name] + first if name == "item" else arrays[name])
            shape = (len(arrays["item"]), CHANNELS, math.prod(POSITIONS[False]))
            self._maps.append(np.memmap(path.with_suffix(".maps"), np.float16, "r", shape=shape))
            thumbs.append(np.load(path.with_suffix(".thumbs.npy")))
        joined = {name: np.concatenate(part) for name, part in parts.items()}
        self.features, self.before = joined["features"], joined["before"]
        self.item, self.alike, self.tall = joined["item"], joined["alike"], joined["tall"]
        self.thumbs = np.concatenate(thumbs)
        self._first = np.cumsum([0, *map(len, self._maps)])

    def maps(self, rows: np.ndarray) -> np.ndarray:
        """The maps of these rows, (n, C, positions) float16."""
        files = np.searchsorted(self._first, rows, "right") - 1
        return np.stack([self._maps[f][row - self._first[f]] for f, row in zip(files, rows, strict=True)])

    def mean_by_item(self, rows: np.ndarray, values: Tensor) -> tuple[np.ndarray, Tensor]:
        """The items of these rows, and the mean of the values (n, K) of each one's rows."""
        items, place = np.unique(self.item[rows], return_inverse=True)
        sums = torch.zeros(len(items), values.shape[1]).index_add(0, torch.from_numpy(place), values)
        return items, sums / torch.from_numpy(np.bincount(place)).unsqueeze(1)

    @cached_property
    def held_out(self) -> np.ndarray:
        """(N,) bool: rows of held-out items."""
        held = [item.held_out or is_held_out(item.source, item.group) for item in self.items]
        return np.array(held)[self.item]

    @cached_property
    def training(self) -> np.ndarray:
        """(N,) bool: rows of items that are neither held out nor taken out as near-duplicates."""
        removed = [str(item.paths[0]) in self.removed for item in self.items]
        return ~self.held_out & ~np.array(removed)[self.item]

    @cached_property
    def acts(self) -> list[bool | None]:
        """Of each item, whether anybody does anything; None if it is not known."""
        return [acts(item) for item in self.items]

    @cached_property
    def balance(self) -> np.ndarray:
        """(N,): how much each picture counts in training. An item counts by the inverse square root of the number of
        training items of its domain and label, and is shared by its pictures."""
        own = np.unique(self.item[self.training])
        count = Counter((domain(self.items[n]), self.items[n].label) for n in own)
        weight = np.zeros(len(self.items))
        for n in own:
            kind = domain(self.items[n])
            weight[n] = DOMAIN_WEIGHTS.get(kind, 1.0) * count[kind, self.items[n].label] ** -0.5
        pictures = np.bincount(self.item, minlength=len(self.items))
        return (weight / np.maximum(pictures, 1))[self.item]


def domain(item: Item) -> str:
    """The many small sources of web clips are one domain; every other source is one of its own."""
    return "web" if item.source.startswith("web") else item.source


def acts(item: Item) -> bool | None:
    """Whether anybody does anything, as far as the label or the source tells."""
    if item.label is not None:
        return item.label != NO_ACTION
    if item.source in ACTING_SOURCES:
        return True
    return False if item.source == "ade" else None  # photos of rooms


def right_image_labels(items: Sequence[Item]) -> np.ndarray:
    """(items, I) bool: the labels of image_labels() that are right for each item: its own and the finer ones."""
    column = {label: k for k, label in enumerate(image_labels())}
    right = np.zeros((len(items), len(column)), bool)
    for n, item in enumerate(items):
        if item.label is not None:
            right[n, [column[label] for label in {item.label, *targets(item.label)} if label in column]] = True
    return right
