from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from pipeline.analysis.change_points import changes, changes_per_second, decided_step
from pipeline.analysis.hedging import AnswerRule
from pipeline.analysis.label_spelling import next_letters, spell_label
from pipeline.analysis.segments import segments

RNG = np.random.default_rng(0)


def test_changes_and_the_decision():
    leading = [0, 0, 1, 1, 0, 2, 2]
    assert changes(leading) == [2, 4, 5]
    assert decided_step(leading) == 5
    assert changes_per_second(leading, 6.0) == 0.5
    assert decided_step([1]) == decided_step([1, 1]) == 0
    assert changes_per_second([0, 1], 0.0) == 0.0


@pytest.mark.parametrize("shot_boundaries", [[], [3], [2, 3, 6]])
@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.1])
def test_segments_cover_the_clip_without_gaps(shot_boundaries, threshold):
    probabilities = RNG.dirichlet(np.ones(4), size=9)
    times = np.linspace(0, 8, 9).tolist()
    rule = AnswerRule(tuple("abcd"), {"a": ["b"]}, threshold)
    found = segments(rule, probabilities, times, 8.5, shot_boundaries)
    assert found[0].start == 0
    assert found[-1].end == 8.5
    for one, next_one in pairwise(found):
        assert one.end == next_one.start
        assert one.last + 1 == next_one.first
    assert {s.first for s in found} >= set(shot_boundaries)
    for s in found:
        assert s.answer == rule.answer(probabilities[s.first : s.last + 1].mean(0))
    if not shot_boundaries:
        leading = [answer.label for answer in rule.answers(probabilities)]
        assert [s.first for s in found] == [0, *changes(leading)]


def test_letters_sum_over_the_labels_that_share_them():
    labels = ["running", "riding a bike", "reading", "cooking"]
    p = np.array([0.4, 0.2, 0.1, 0.3])
    assert next_letters(p, labels, "")[0] == ("r", pytest.approx(0.7))
    assert dict(next_letters(p, labels, "r")) == pytest.approx({"u": 4 / 7, "i": 2 / 7, "e": 1 / 7})
    assert next_letters(p, labels, "running") == [("", 1.0)]
    assert next_letters(p, labels, "x") == []


def test_spelling_shrinks_what_is_possible():
    labels = ["running", "riding a bike", "reading", "cooking"]
    path = spell_label(np.array([0.4, 0.2, 0.1, 0.3]), labels)
    assert "".join(letter.letter for letter in path) == "running"
    assert [letter.labels for letter in path][:3] == [3, 1, 1]
    assert path[1].others[0] == ("i", pytest.approx(2 / 7))


def test_spelling_the_likeliest_letters_always_ends_in_a_label():
    labels = ["run", "running", "runway", "walk"]
    for p in RNG.dirichlet(np.ones(4), size=20):
        prefix = ""
        while (letter := next_letters(p, labels, prefix)[0][0]) != "":
            prefix += letter
        assert prefix in labels
