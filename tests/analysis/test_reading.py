from __future__ import annotations

import numpy as np
import pytest

from pipeline.analysis.hedging import AnswerRule
from pipeline.analysis.reading import ClipReading, read_features
from pipeline.media import read_clip
from pipeline.models.action import SOMETHING_ELSE, ActionStep

LABELS = ("cooking", "dancing", "running", "swimming")


def reading_of(*steps: tuple[int, float]) -> ClipReading:
    """A reading whose steps have this likeliest label with this probability; threshold 0.5."""
    probabilities = np.array([[p if k == label else (1 - p) / 3 for k in range(4)] for label, p in steps], np.float32)
    actions = tuple(ActionStep(t, t / 5, row, np.zeros(1, np.float32)) for t, row in enumerate(probabilities))
    return ClipReading(AnswerRule(LABELS, {}, 0.5), len(steps) / 5, actions)


@pytest.mark.parametrize(
    ("labels", "decided"),
    [([3], 0), ([3, 3, 3], 0), ([1, 3, 3], 1), ([3, 1, 3], 2), ([1, 2, 3], 2), ([3, 3, 1, 1], 2)],
)
def test_a_prediction_is_decided_at_the_last_change_of_the_answer(labels, decided):
    prediction = reading_of(*((label, 0.9) for label in labels)).prediction
    assert prediction.label == LABELS[labels[-1]]
    assert prediction.decided_step == decided


def test_an_answer_stands_only_from_the_step_at_which_it_is_confident():
    reading = reading_of((3, 0.4), (3, 0.45), (3, 0.6), (3, 0.9))
    texts = [answer.text for answer in reading.answers]
    assert texts == ["not sure: swimming", "not sure: swimming", "swimming", "swimming"]
    assert reading.changes == []
    assert reading.prediction.decided_step == 2


def test_a_prediction_below_the_threshold_is_never_decided():
    reading = reading_of((3, 0.9), (3, 0.49))
    assert [answer.is_sure for answer in reading.answers] == [True, False]
    assert not reading.prediction.is_confident
    assert reading.prediction.decided_step is None


def test_the_threshold_itself_is_confident():
    assert reading_of((2, 0.5)).prediction.is_confident


def test_a_broad_label_that_stands_in_turn_as_a_sum_and_by_itself_is_no_change():
    """cooking covers dancing here; running is another label."""
    rows = np.array([[0.3, 0.4, 0.3, 0], [0.1, 0.4, 0.4, 0.1], [0.6, 0.2, 0.2, 0], [0.3, 0.4, 0.3, 0]], np.float32)
    actions = tuple(ActionStep(t, float(t), row, np.zeros(1, np.float32)) for t, row in enumerate(rows))
    reading = ClipReading(AnswerRule(LABELS, {"cooking": ["dancing"]}, 0.55), 4.0, actions)
    assert reading.leading == ["cooking", "dancing", "cooking", "cooking"]
    assert [answer.is_sure for answer in reading.answers] == [True, False, True, True]
    assert [answer.is_sum for answer in reading.answers] == [True, False, False, True]
    assert reading.changes == [1, 2]
    assert reading.prediction.decided_step == 2
    assert reading.prediction.label == "cooking"
    assert reading.prediction.ranked[0][0] == "dancing"


def test_a_real_reading_ranks_every_label_and_agrees_with_its_steps(lstm, encoder, bikes):
    clip = read_clip(bikes)
    features = encoder.encode_clip(clip)
    reading = read_features(lstm, features, clip.duration)
    steps = list(lstm.predict(features))
    np.testing.assert_array_equal(reading.probabilities, [step.probabilities for step in steps])
    np.testing.assert_array_equal(reading.hidden, [step.hidden for step in steps])
    ranked = [p for _, p in reading.prediction.ranked]
    assert ranked == sorted(ranked, reverse=True)
    assert {label for label, _ in reading.prediction.ranked} == set(lstm.labels) - {SOMETHING_ELSE}
    assert lstm.top(steps[-1], 3) == list(reading.prediction.ranked[:3])
