from __future__ import annotations

import numpy as np
import pytest

from pipeline.analysis.hedging import Answer, AnswerRule
from pipeline.models.action import NO_ACTION, SOMETHING_ELSE, load_action

LABELS = ("cooking", "chopping vegetables", "preparing salad", "making tea", "pouring a drink", "running", "jogging")
FINER = {
    "cooking": ("chopping vegetables", "preparing salad", "making tea", "pouring a drink"),
    "pouring a drink": ("making tea",),
    "running": ("jogging",),
}
RNG = np.random.default_rng(0)
ROWS = RNG.dirichlet(np.full(len(LABELS), 0.7), size=500).astype(np.float32)
THRESHOLDS = (0.0, 0.3, 0.5, 0.7, 0.9, 1.1)


def said(threshold: float = 0.5, **probabilities: float) -> Answer:
    """The answer to these probabilities; an underscore stands for a space, the other labels have none."""
    row = [probabilities.get(label.replace(" ", "_"), 0.0) for label in LABELS]
    return AnswerRule(LABELS, FINER, threshold).answer(np.array(row, np.float32))


def test_a_broad_label_is_said_where_its_finer_ones_reach_the_threshold_together():
    answer = said(cooking=0.1, chopping_vegetables=0.41, preparing_salad=0.35, running=0.14)
    assert (answer.label, answer.is_sure, answer.text) == ("cooking", True, "cooking")
    assert answer.probability == pytest.approx(0.86)
    assert [label for label, p in answer.parts if p > 0] == ["chopping vegetables", "preparing salad", "cooking"]


def test_of_two_broad_labels_the_more_precise_one_is_said():
    answer = said(making_tea=0.4, pouring_a_drink=0.2, cooking=0.3, running=0.1)
    assert answer.label == "pouring a drink"
    assert answer.probability == pytest.approx(0.6)


def test_of_two_broad_labels_of_the_same_precision_the_likelier_one_is_said():
    assert said(0.4, making_tea=0.2, pouring_a_drink=0.25, running=0.3, jogging=0.25).label == "running"
    assert said(0.4, making_tea=0.25, pouring_a_drink=0.3, running=0.2, jogging=0.25).label == "pouring a drink"


def test_below_the_threshold_nothing_is_said():
    answer = said(0.5, making_tea=0.3, running=0.4, jogging=0.05)
    assert (answer.text, answer.is_sure, answer.is_sum) == ("not sure: running", False, False)


OPEN_SET = (*LABELS, NO_ACTION, SOMETHING_ELSE)


def said_of(nobody: float, unknown: float, **probabilities: float) -> Answer:
    """The answer if nobody acts, or the clip shows something else, with these probabilities."""
    row = [probabilities.get(label, 0.0) for label in LABELS]
    return AnswerRule(OPEN_SET, FINER, 0.5).answer(np.array([*row, nobody, unknown], np.float32))


def test_where_nobody_acts_no_action_is_the_answer():
    answer = said_of(0.9, 0.02, running=0.08)
    assert (answer.label, answer.is_sure, answer.is_no_action) == (NO_ACTION, True, True)
    assert not said_of(0.1, 0.1, running=0.8).is_no_action


def test_no_action_comes_first_only_if_it_is_likely():
    """Of a photo that may show nobody, the likeliest action stays the label, and the answer is not sure."""
    answer = said_of(0.45, 0.15, running=0.4)
    assert (answer.text, answer.is_no_action) == ("not sure: running", False)


def test_something_else_is_never_said_and_keeps_the_nearest_action_from_being_sure():
    answer = said_of(0.02, 0.7, running=0.24, cooking=0.04)
    assert (answer.text, answer.is_unknown) == ("not sure: running", True)
    assert answer.probability_if_known == pytest.approx(0.8)
    assert not said_of(0.02, 0.1, running=0.8).is_unknown


def test_the_order_of_the_labels_leaves_something_else_out():
    rule = AnswerRule(OPEN_SET, FINER, 0.5)
    for row in RNG.dirichlet(np.full(len(OPEN_SET), 0.5), size=200):
        ranked = [OPEN_SET[k] for k in rule.ranked(row)]
        assert sorted(ranked) == sorted({*LABELS, NO_ACTION})
        answer = rule.answer(row)
        assert answer.is_sum or ranked[0] == answer.label
        actions = [row[OPEN_SET.index(label)] for label in ranked if label != NO_ACTION]
        assert actions == sorted(actions, reverse=True)


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_what_is_said_reaches_the_threshold_and_nothing_that_reaches_it_is_kept_back(threshold):
    rule = AnswerRule(LABELS, FINER, threshold)
    for row, answer in zip(ROWS, rule.answers(ROWS), strict=True):
        p = dict(zip(LABELS, row.tolist(), strict=True))
        sums = {broad: p[broad] + sum(p[label] for label in finer) for broad, finer in FINER.items()}
        best = max(p, key=lambda label: p[label])
        assert answer.is_sure == (max(p[best], *sums.values()) >= threshold)
        if answer.is_sure:
            assert answer.probability >= threshold
        if p[best] >= threshold or not answer.is_sure:
            assert (answer.label, answer.probability, answer.is_sum) == (best, p[best], False)
        else:
            assert {label for label, _ in answer.parts} == {answer.label, *FINER[answer.label]}
            assert answer.probability == pytest.approx(sum(part for _, part in answer.parts))
            assert all(part == p[label] for label, part in answer.parts)
            assert [part for _, part in answer.parts] == sorted((part for _, part in answer.parts), reverse=True)
            precise = [len(FINER[broad]) for broad, total in sums.items() if total >= threshold]
            assert len(FINER[answer.label]) == min(precise)


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_the_order_of_the_labels_does_not_matter(threshold):
    order = RNG.permutation(len(LABELS))
    shuffled = {broad: tuple(RNG.permutation(FINER[broad]).tolist()) for broad in reversed(FINER)}
    answers = AnswerRule(LABELS, FINER, threshold).answers(ROWS)
    again = AnswerRule(tuple(LABELS[k] for k in order), shuffled, threshold).answers(ROWS[:, order])
    for one, other in zip(answers, again, strict=True):
        assert (one.label, one.is_sure, one.parts) == (other.label, other.is_sure, other.parts)
        assert one.probability == pytest.approx(other.probability)


@pytest.mark.parametrize("threshold", THRESHOLDS)
def test_without_broad_labels_the_likeliest_label_is_said_or_none(threshold):
    for row, answer in zip(ROWS, AnswerRule(LABELS, {}, threshold).answers(ROWS), strict=True):
        assert answer == Answer(LABELS[row.argmax()], float(row.max()), float(row.max()) >= threshold)


def test_steps_are_answered_one_by_one():
    rule = AnswerRule(LABELS, FINER, 0.5)
    for row, answer in zip(ROWS, rule.answers(ROWS), strict=True):
        alone = rule.answer(row)
        assert (alone.label, alone.is_sure, alone.parts) == (answer.label, answer.is_sure, answer.parts)
        assert alone.probability == pytest.approx(answer.probability)


def test_the_curve_of_a_sum_is_the_answers_probability():
    rule = AnswerRule(LABELS, FINER, 0.5)
    for t, answer in enumerate(rule.answers(ROWS)):
        if answer.is_sum:
            curve = rule.with_sums(ROWS, {answer.label})
            assert curve[t, LABELS.index(answer.label)] == pytest.approx(answer.probability)
            others = [k for k, label in enumerate(LABELS) if label != answer.label]
            np.testing.assert_array_equal(curve[:, others], ROWS[:, others])


def test_a_shipped_recogniser_hedges():
    model = load_action("lstm")
    lunges, squats = (model.labels.index(label) for label in ("doing lunges", "doing squats"))
    row = np.full(len(model.labels), 0.2 / (len(model.labels) - 2), np.float32)
    row[[lunges, squats]] = 0.35, 0.45
    rule = AnswerRule(tuple(model.labels), model.finer, 0.6)
    assert rule.answer(row).label == "working out"
