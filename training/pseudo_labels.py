"""Pseudo-labels: a caption classifier labels items that have captions but no action label.

The classifier is a logistic regression from the words of the captions to the label, fitted to labelled training items.
Only labels with a high probability are used. Held-out items are neither fitted to nor labelled.
"""

from __future__ import annotations

from sklearn.linear_model import LogisticRegression

from training.data import Item, common_words, word_shares

MIN_PROBABILITY = 0.9  # less probable labels are not used


def pseudo_labels(items: list[Item]) -> dict[int, str]:
    """Index of an unlabelled training item -> its label, for items whose label reaches MIN_PROBABILITY."""
    shares = word_shares(items, common_words(items))
    captioned = [n for n, item in enumerate(items) if item.captions and not item.held_out]
    labelled = [n for n in captioned if items[n].label]
    unlabelled = [n for n in captioned if not items[n].label]
    classifier = LogisticRegression(max_iter=1000).fit(shares[labelled], [items[n].label for n in labelled])
    probabilities = classifier.predict_proba(shares[unlabelled])
    best = classifier.classes_[probabilities.argmax(1)]
    highest = probabilities.max(1)
    return {n: str(label) for n, label, p in zip(unlabelled, best, highest, strict=True) if p >= MIN_PROBABILITY}
