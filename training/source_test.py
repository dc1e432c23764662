"""How well can the source of a photo without action be told from its features, before and after it was made alike?

    python -m training.source_test --cache ../cache/pictures

The sources of such photos differ in size, sharpness and compression. If these tell the source, a network can learn them
instead of what is there. A logistic regression names the source of each photo (five folds, sources of 100 photos and
more, at most 300 of each); printed is its share of right answers, balanced over the sources, for the photos as they are
and for those made alike by training/pictures.py. Much of the source is told by what is there: rooms are not glaciers.
The second line therefore takes pairs of sources with the same kind of scene.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from training.picture_cache import PictureCache

LEAST, MOST = 100, 300  # photos of a source
PAIRS = (  # the same kind of scene, from two sources
    ("none-dogs", "none-imagenet_sample"),
    ("none-cats", "none-imagenet_sample"),
    ("none-trash_objects", "none-ikea_objects"),
    ("none-trash_objects", "none-caltech_objects_animals"),
    ("none-intel_buildings", "none-ade_scenes"),
)


def told(features: np.ndarray, sources: np.ndarray) -> float:
    """The balanced share of photos whose source is named rightly by a regression that learned from the others."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=200))
    return float(balanced_accuracy_score(sources, cross_val_predict(model, features, sources, cv=5)))


def chosen(cache: PictureCache, alike: bool, names: set[str]) -> tuple[np.ndarray, np.ndarray]:
    """Features and sources of training photos of these sources, as they are or made alike; the same photos for both."""
    rows = np.flatnonzero((cache.alike == alike) & cache.training)
    sources = np.array([cache.items[n].source for n in cache.item[rows]])
    found = [np.flatnonzero(sources == name)[:MOST] for name in sorted(names)]
    own = np.concatenate([part for part in found if len(part) >= LEAST])
    return cache.features[rows[own]].astype(np.float32), sources[own]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="folder of training.pictures")
    args = parser.parse_args()
    cache = PictureCache(args.cache)
    every = {item.source for item in cache.items if item.source.startswith("none-")}
    for alike in (False, True):
        features, sources = chosen(cache, alike, every)
        print(f"{'made alike' if alike else 'as they are'}: {len(set(sources))} sources, {told(features, sources):.3f}")
        for pair in PAIRS:
            features, sources = chosen(cache, alike, set(pair))
            if len(set(sources)) == len(pair):
                print(f"    {' or '.join(pair)}: {told(features, sources):.3f}", flush=True)


if __name__ == "__main__":
    main()
