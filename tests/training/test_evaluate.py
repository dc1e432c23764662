from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.analysis.hedging import AnswerRule
from pipeline.media import read_clip
from training import evaluate
from training.data import Item
from training.evaluate import ItemPrediction, action_figures, report, right_labels

LABELS = ("cooking", "chopping vegetables", "preparing salad", "running", "talking", "reading", "dancing")
FINER = {"cooking": ("chopping vegetables", "preparing salad")}


@pytest.fixture(autouse=True)
def _these_labels(monkeypatch):
    monkeypatch.setattr(evaluate, "targets", lambda label: frozenset({label, *FINER.get(label, ())}))


def figures(*items: tuple[str, dict[str, float]]) -> dict:
    """The report on clips of one frame: the true label, and the probabilities of some labels."""
    predictions = [
        ItemPrediction(
            "web",
            LABELS.index(truth),
            right_labels(truth, LABELS),
            np.array([[p.get(label, 0.0) for label in LABELS]] * 4, np.float32),
        )
        for truth, p in items
    ]
    return report(predictions, AnswerRule(LABELS, FINER, 0.5))


def test_the_labels_are_the_models_whatever_the_data_has(lstm, encoder, bikes, capsys):
    bikes_features = encoder.encode_clip(read_clip(bikes))
    *_, last = lstm.predict(bikes_features)
    ((likeliest, _),) = lstm.top(last, 1)
    items = [Item("web", str(k), label, (Path("clip.mp4"),)) for k, label in enumerate([likeliest, "an unknown label"])]
    found = action_figures(lstm, items, [bikes_features, bikes_features])
    assert found["all"] == {"clips": 1, "top1": 1.0, "top5": 1.0}
    assert "1 of 2 items are left out" in capsys.readouterr().out


def test_a_finer_label_is_right_and_a_broader_one_is_not():
    finer = figures(("cooking", {"chopping vegetables": 0.9, "running": 0.1}))
    assert finer["all"]["top1"] == finer["sure"]["right"] == 1.0
    assert set(finer["accuracy_after_share_of_frames"].values()) == {1.0}
    assert finer["confusions"] == []
    broader = figures(("chopping vegetables", {"cooking": 0.9, "running": 0.1}))
    assert broader["all"]["top1"] == broader["sure"]["right"] == 0.0
    assert broader["sure"]["broader"] == 1.0
    assert broader["confusions"] == [["chopping vegetables", "cooking", 1]]


def test_one_finer_label_among_the_five_likeliest_is_enough():
    rest = {"running": 0.3, "talking": 0.25, "reading": 0.2, "dancing": 0.15}
    assert figures(("cooking", {**rest, "preparing salad": 0.1}))["all"] == {"clips": 1, "top1": 0.0, "top5": 1.0}


def test_the_answers_are_those_that_a_visitor_gets():
    """A sum, a label by itself, and one item of three without an answer."""
    found = figures(
        ("chopping vegetables", {"chopping vegetables": 0.4, "preparing salad": 0.3, "running": 0.3}),
        ("running", {"running": 0.6, "talking": 0.4}),
        ("running", {"running": 0.4, "talking": 0.3, "reading": 0.3}),
    )
    assert found["sure"] == {"share": 0.667, "right": 0.5, "broader": 0.5}


def test_the_calibration_error_takes_a_finer_label_as_right():
    assert figures(("cooking", {"chopping vegetables": 1.0}))["expected_calibration_error"] == 0.0
