"""Find pictures that are nearly the same in two sources, or on both sides of the split, and take them out of training.

    python -m training.near_duplicates --cache ../cache/pictures

Two items are near-duplicates if their first pictures, at 8 x 8 in grey, have a correlation above MIN_CORRELATION, and
their features by the encoder before tuning have a cosine above MIN_COSINE. Of each pair one item is taken out: the one
in training if the other is held out, else the second. ``near_duplicates.json`` lists them by path; PictureCache gives
them no weight. The command prints how many pairs there are of which sources.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.picture_cache import NEAR_DUPLICATES, PictureCache

MIN_CORRELATION, MIN_COSINE = 0.985, 0.85
CHUNK = 2000  # items


def near_pairs(thumbs: Tensor, features: Tensor) -> list[tuple[int, int]]:
    """Pairs (i, j) with i < j of items that are nearly the same, from thumbs (N, 64) and features (N, D) float32."""
    thumbs = thumbs - thumbs.mean(1, keepdim=True)
    thumbs = thumbs / thumbs.norm(dim=1, keepdim=True).clamp(min=1)
    features = features / features.norm(dim=1, keepdim=True)
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(thumbs), CHUNK):
        alike = (thumbs[start : start + CHUNK] @ thumbs.T > MIN_CORRELATION).nonzero()
        i, j = alike[:, 0] + start, alike[:, 1]
        near = (i < j) & ((features[i] * features[j]).sum(1) > MIN_COSINE)
        pairs += zip(i[near].tolist(), j[near].tolist(), strict=True)
    return pairs


def first_pictures(cache: PictureCache) -> tuple[np.ndarray, np.ndarray]:
    """The items that have pictures, and the row of the first picture of each as it is."""
    rows = np.flatnonzero(~cache.alike)
    items, place = np.unique(cache.item[rows], return_index=True)
    return items, rows[place]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="folder written by training.pictures")
    args = parser.parse_args()
    cache = PictureCache(args.cache)
    items, rows = first_pictures(cache)
    held = np.zeros(len(cache.items), bool)
    held[cache.item[cache.held_out]] = True
    thumbs = torch.from_numpy(cache.thumbs[items].astype(np.float32))
    counts: Counter[tuple[str, ...]] = Counter()
    removed = set()
    for i, j in near_pairs(thumbs, torch.from_numpy(cache.before[rows].astype(np.float32))):
        one, other = cache.items[items[i]], cache.items[items[j]]
        sides = held[items[i]], held[items[j]]
        if all(sides) or (one.source == other.source and not any(sides)) or one.group == other.group:
            continue
        counts[(*sorted((one.source, other.source)), "over the split" if any(sides) else "in training")] += 1
        removed.add(str((one if sides[1] else other).paths[0]))
    (args.cache / NEAR_DUPLICATES).write_text(json.dumps(sorted(removed)))
    for names, count in counts.most_common():
        print(f"{count:5} pairs: {', '.join(names)}")
    print(f"{len(removed)} items are taken out of training")


if __name__ == "__main__":
    main()
