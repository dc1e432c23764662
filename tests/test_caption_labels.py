"""Labels read off captions, on a handful of made-up items."""

from __future__ import annotations

import numpy as np
import pytest

from training.caption_labels import SOFTNESS, soft_labels
from training.data import Item

LABELS = ["cooking", "riding a horse", "talking"]


def item(source: str, label: str | None, *captions: str, held_out: bool = False) -> Item:
    return Item(source, captions[0], label, (), captions, held_out)


@pytest.fixture
def items() -> list[Item]:
    return [
        *(item("msrvtt", "cooking", f"a {who} is cooking soup in a kitchen") for who in ("man", "woman", "chef")),
        *(item("msrvtt", "riding a horse", f"a {who} is riding a brown horse") for who in ("man", "woman", "girl")),
        *(item("msrvtt", "talking", f"a {who} is talking about news") for who in ("man", "woman", "boy")),
        item("msrvtt", None, "somebody is riding a horse in a field", "a horse with a rider"),
        item("msrvtt", None, "the zebra sleeps", "nothing moves"),
        item("flickr8k", None, "a woman is cooking soup", "cooking in a kitchen"),
        item("flickr8k", None, "a man is talking about it", "he is talking about news"),
        Item("sports22", "photo", "riding a horse", ()),
        item("msrvtt", None, "a girl is riding a brown horse", held_out=True),
    ]


def test_captions_say_what_nobody_labelled(items):
    target = soft_labels(items, LABELS, everything=False).numpy()
    rode, slept, cooked, talked, photo, held_out = target[9:]
    assert rode.argmax() == LABELS.index("riding a horse")
    assert cooked.argmax() == LABELS.index("cooking")
    assert not talked.any()  # a photo of which nothing but "talking" can be said says nothing
    assert not held_out.any()
    assert photo.tolist() == [0, 1, 0]
    for row in (rode, cooked, *target[:9]):
        assert row.sum() == pytest.approx(1, abs=1e-5)
    assert slept.sum() in (pytest.approx(0), pytest.approx(1, abs=1e-5))


def test_a_label_that_was_given_stays_the_likeliest(items):
    target = soft_labels(items, LABELS, everything=False).numpy()
    for row, each in zip(target, items, strict=True):
        if each.label:
            assert LABELS[row.argmax()] == each.label
            assert row.max() >= 1 - SOFTNESS
    assert np.isfinite(target).all()
