"""How well the cosine of two frames' features separates a cut from a moving camera.

    python -m benchmarks.cuts

Cosines are computed within 60 held-out clips of one take each (UCF101, skate, fights, rackets, pushups), between frames
one, two and four strides apart, and across cuts, between the last frame of one clip and the first of another.
Needs the training data (training/data.py).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from pipeline.analysis.segments import CUT
from pipeline.media.reader import read_clip
from pipeline.models.encoder import load_encoder
from training.data import load_items

CLIPS, STRIDES, SEED = 60, (1, 2, 4), 0


def main() -> None:
    rng, encoder = np.random.default_rng(SEED), load_encoder()
    items = [item for item in load_items() if item.is_video and item.held_out]
    clips = []
    for k in rng.choice(len(items), CLIPS, replace=False):
        rows = encoder.encode([frame.image for frame in read_clip(items[k].paths[0]).frames]).features
        clips.append(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    within = np.concatenate([(rows[n:] * rows[:-n]).sum(1) for rows in clips for n in STRIDES])
    between = np.array([one[-1] @ other[0] for one, other in pairwise(clips)])
    print(f"within one take: {len(within)} pairs, the lowest cosine {within.min():.3f}")
    print(f"across a cut: {len(between)} pairs, the highest cosine {between.max():.3f}")
    print(
        f"under {CUT}: {(within < CUT).mean():.1%} of the pairs in one take, {(between < CUT).mean():.1%} across a cut"
    )


if __name__ == "__main__":
    main()
