"""Labels that captions tell: many videos and photos have no action label, but five or twenty people described them.

A classifier of captions learns from the labelled videos which words go with which label; where it has hardly a doubt,
its answer is a label like any other. What is held out takes no part in it, on either side.
"""

from __future__ import annotations

from sklearn.linear_model import LogisticRegression

from training.data import Item, common_words, word_shares

SURE = 0.9  # probability from which it is believed


def told_labels(items: list[Item]) -> dict[int, str]:
    """Number of an item without a label -> the label that its captions leave no doubt of."""
    shares = word_shares(items, common_words(items))
    open_to = [n for n, item in enumerate(items) if item.captions and not item.held_out]
    taught = [n for n in open_to if items[n].label]
    asked = [n for n in open_to if not items[n].label]
    classifier = LogisticRegression(max_iter=1000).fit(shares[taught], [items[n].label for n in taught])
    chances = classifier.predict_proba(shares[asked])
    best = classifier.classes_[chances.argmax(1)]
    return {n: str(label) for n, label, p in zip(asked, best, chances.max(1), strict=True) if p >= SURE}
