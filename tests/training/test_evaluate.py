from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.analysis.hedging import AnswerRule
from pipeline.media import read_clip
from pipeline.models.action import NO_ACTION, SOMETHING_ELSE
from training import evaluate
from training.data import Item
from training.evaluate import ItemPrediction, action_figures, report, right_labels

ACTIONS = ("cooking", "chopping vegetables", "preparing salad", "running", "talking", "reading", "dancing")
LABELS = (*ACTIONS, NO_ACTION, SOMETHING_ELSE)
FINER = {"cooking": ("chopping vegetables", "preparing salad")}


@pytest.fixture(autouse=True)
def _these_labels(monkeypatch):
    monkeypatch.setattr(evaluate, "targets", lambda label: frozenset({label, *FINER.get(label, ())}))


def figures(*items: tuple[str | None, dict[str, float]], unseen: bool = False) -> dict:
    """The report on clips of four frames: the true label, and the probabilities of some labels."""
    predictions = [
        ItemPrediction(
            "web, new" if unseen else "web",
            truth,
            right_labels(truth, LABELS),
            np.array([[p.get(label, 0.0) for label in LABELS]] * 4, np.float32),
            unseen,
        )
        for truth, p in items
    ]
    return report(predictions, AnswerRule(LABELS, FINER, 0.5))


def test_an_item_of_an_unknown_label_counts_nowhere_but_for_sureness(lstm, encoder, bikes):
    bikes_features = encoder.encode_clip(read_clip(bikes))
    *_, last = lstm.predict(bikes_features)
    ((likeliest, _),) = lstm.top(last, 1)
    items = [Item("web", str(k), label, (Path("clip.mp4"),)) for k, label in enumerate([likeliest, "an unknown label"])]
    found = action_figures(lstm, items, [bikes_features, bikes_features])
    assert found["all"] == {"clips": 1, "top1": 1.0, "top5": 1.0}
    assert found["held_out_groups"]["items"] == 2


def test_a_finer_label_is_right_and_a_broader_one_is_not():
    finer = figures(("cooking", {"chopping vegetables": 0.9, "running": 0.1}))
    assert finer["all"]["top1"] == finer["held_out_groups"]["right"] == 1.0
    assert set(finer["accuracy_after_share_of_frames"].values()) == {1.0}
    assert finer["confusions"] == []
    broader = figures(("chopping vegetables", {"cooking": 0.9, "running": 0.1}))
    assert broader["all"]["top1"] == broader["held_out_groups"]["right"] == 0.0
    assert broader["held_out_groups"]["broader"] == 1.0
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
    sure = found["held_out_groups"]
    assert (sure["share"], sure["right"], sure["broader"]) == (0.667, 0.5, 0.5)


def test_where_nobody_acts_no_action_and_no_answer_are_both_quiet():
    found = figures(
        (NO_ACTION, {NO_ACTION: 0.9, "running": 0.1}),
        (NO_ACTION, {NO_ACTION: 0.4, "running": 0.4, SOMETHING_ELSE: 0.2}),
        (NO_ACTION, {NO_ACTION: 0.1, "running": 0.9}),
        ("running", {"running": 0.9}),
        unseen=True,
    )
    assert found["all"]["clips"] == 1  # accuracy is that of actions
    sure = found["unseen_clips"]
    assert (sure["nobody_acts"], sure["quiet_where_nobody_acts"]) == (3, 0.667)
    assert (sure["items"], sure["share"], sure["right"]) == (4, 0.75, 0.667)
    assert found["held_out_groups"]["items"] == found["unseen_photos"]["items"] == 0


def test_the_risk_grows_from_the_surest_answer_on():
    found = figures(
        ("running", {"running": 0.9}),
        ("running", {"talking": 0.7}),
        ("running", {"running": 0.6}),
        ("running", {"talking": 0.55}),
    )
    assert found["held_out_groups"]["risk_by_coverage"] == [[0.25, 0.0], [0.5, 0.5], [0.75, 0.333], [1.0, 0.5]]


def test_the_calibration_error_takes_a_finer_label_as_right():
    assert figures(("cooking", {"chopping vegetables": 1.0}))["held_out_groups"]["expected_calibration_error"] == 0.0
