"""What human captions say of the 58 labels: targets for videos and photos that nobody labelled, and softer ones for
those that somebody did.

The labels of MSR-VTT are themselves a consensus of captions, so a classifier of sentences (tf-idf of words and pairs,
logistic regression: scikit-learn) reads them off nearly as well: it names 93 % of the held-out videos' labels from
their captions. It is fitted to the captions of labelled training videos, and to each label's own name.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import torch
from torch import Tensor

from training.data import Item

NAMED = 20  # times that each label's name is learned as if it were a caption
CLEAR = {"msrvtt": 0.4, "flickr8k": 0.5}  # a label must be at least so likely to count for an unlabelled item
FALLBACK = "talking"  # what the classifier says of people who do nothing in particular: not believed of photos
MOST_PHOTOS = 150  # of one label: there are over a thousand of dogs
SOFTNESS = 0.3  # share of a labelled video's target that its captions decide


def soft_labels(items: list[Item], labels: list[str], everything: bool) -> Tensor:
    """(items, L): how likely each label is for each item; rows sum to 1, or to 0 where nothing is known."""
    told = caption_readings(items, labels, everything)
    target, photos = np.zeros((len(items), len(labels)), np.float32), Counter()
    for n, item in enumerate(items):
        if item.label:
            target[n, labels.index(item.label)] = 1.0
            if n in told:
                target[n] = (1 - SOFTNESS) * target[n] + SOFTNESS * told[n]
        elif n in told and told[n].max() >= CLEAR[item.source]:
            best = labels[told[n].argmax()]
            if item.source == "flickr8k":
                if best == FALLBACK or photos[best] >= MOST_PHOTOS:
                    continue
                photos[best] += 1
            target[n] = told[n]
    return torch.from_numpy(target)


def caption_readings(items: list[Item], labels: list[str], everything: bool) -> dict[int, np.ndarray]:
    """Number of an item with captions -> the mean over its captions of how likely each label is, (L,)."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    known = [item for item in items if item.label and item.captions and item.is_fitted(everything)]
    texts = [caption for item in known for caption in item.captions]
    names = [item.label for item in known for _ in item.captions]
    texts += [f"a person is {label}" for label in labels for _ in range(NAMED)]
    names += [label for label in labels for _ in range(NAMED)]
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    classifier = LogisticRegression(C=10, max_iter=300).fit(words.fit_transform(texts), names)
    order = [list(classifier.classes_).index(label) for label in labels]
    told = [n for n, item in enumerate(items) if item.captions and item.is_fitted(everything)]
    each = classifier.predict_proba(words.transform([c for n in told for c in items[n].captions]))[:, order]
    ends = np.cumsum([len(items[n].captions) for n in told])
    return {n: part.mean(0) for n, part in zip(told, np.split(each, ends[:-1]), strict=True)}
