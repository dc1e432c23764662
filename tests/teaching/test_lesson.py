from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.analysis.cell_trace import trace
from pipeline.analysis.reading import read_features
from pipeline.media import read_clip
from pipeline.models.action import NO_ACTION, SOMETHING_ELSE
from pipeline.models.taught import ORDERS
from pipeline.teaching import fitting, judging
from pipeline.teaching.examples import TeachingError, check_room, checked_label
from pipeline.teaching.lesson import learn, teach
from tests.teaching.made_examples import example, examples, frames


def test_movement_is_learned_and_new_clips_are_recognised(lstm):
    found = learn(examples(), lstm)
    assert found.judgement.accuracy > 0.9
    for label in "abc":
        *_, last = found.model.predict(frames(example(label, 999)))
        assert found.model.top(last, 1)[0][0] == label
        assert last.probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_order_is_learned_from_the_same_frames(lstm):
    """Label "back" has the clips of label "forth" backwards: their means are the same."""
    forth = [replace(example("x", seed), label="forth") for seed in range(6)]
    back = [replace(example("x", 50 + seed, backwards=True), label="back") for seed in range(6)]
    assert learn([*forth, *back], lstm).judgement.accuracy > 0.9
    unordered = [replace(each, motion=each.motion[::-1], label="back") for each in forth]
    assert np.allclose(*(fitting.mean_of(each.motion) for each in (forth[0], unordered[0])))


def test_the_state_in_one_product_is_that_of_the_cell(lstm):
    model = learn(examples(), lstm).model
    one = example("a", 7)
    steps = list(model.predict(frames(one)))
    expected = fitting.state_of(model.network, one)
    torch.testing.assert_close(torch.from_numpy(steps[-1].hidden).double(), expected, atol=1e-4, rtol=0)
    traced = trace(model.network.cell, model.cell_inputs(frames(one)))
    np.testing.assert_allclose(traced.activations["h"][-1], steps[-1].hidden, atol=1e-5)


def test_the_memory_weighs_frames_by_a_polynomial_of_time():
    weights = fitting.memory_weights(40)
    assert weights.shape == (ORDERS, 40)
    torch.testing.assert_close(weights.sum(1), torch.ones(ORDERS, dtype=torch.float64))
    torch.testing.assert_close(weights[0], torch.full((40,), 1 / 40, dtype=torch.float64))
    assert (weights[1].diff().diff().abs() < 1e-12).all()  # linear
    assert (weights[2].diff() > 0).all()


def test_the_same_clips_and_seed_give_the_same_recogniser(lstm):
    one, other = (learn(examples(each=8), lstm, seed=3) for _ in range(2))
    assert one.model.card == other.model.card
    for mine, theirs in zip(
        one.model.network.state_dict().values(), other.model.network.state_dict().values(), strict=True
    ):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("each", [4, 8])  # left out one by one, and in parts
def test_no_network_that_judges_a_clip_has_seen_it(monkeypatch, each):
    """The left-out clip is a leak if the network that scores it was fitted to it."""
    fitted: list[list[str]] = []
    fit, score = judging.fit, judging.scores_of

    def fit_noted(rest, labels):
        fitted.append([one.name for one in rest])
        return fit(rest, labels)

    def score_checked(network, one, moves):
        assert one.name not in fitted[-1], "a left-out clip was learned from"
        return score(network, one, moves)

    monkeypatch.setattr(judging, "fit", fit_noted)
    monkeypatch.setattr(judging, "scores_of", score_checked)
    given = examples(each=each)
    parts = judging.folds(given, 0)
    assert sorted(k for part in parts for k in part) == list(range(len(given)))
    judging.left_out_scores(given, list("abc"), parts)
    assert len(fitted) == (len(given) if len(given) < judging.FOLDS_FROM else judging.FOLDS)
    monkeypatch.setattr(judging, "fit", lambda rest, labels: fit_noted(given, labels))  # the planted leak
    with pytest.raises(AssertionError, match="learned from"):
        judging.left_out_scores(given, list("abc"), parts)


def test_noise_is_judged_to_be_noise(lstm):
    rng = np.random.default_rng(0)
    given = [replace(example("x", seed), label="abcd"[rng.integers(4)]) for seed in range(40)]
    judgement = learn(given, lstm).judgement
    low, high = judgement.interval
    assert low < 0.4
    assert low <= judgement.accuracy <= high
    assert judgement.confusion.sum() == 40
    assert judgement.needs_more
    assert len(judgement.clips(0, judgement.answers[judgement.truth.index(0)])) >= 1


def test_with_one_clip_for_a_label_it_does_not_judge_itself(lstm):
    found = learn([*examples("ab"), example("c", 1)], lstm)
    assert found.judgement is None
    assert found.model.card["left_out"] is None


def test_photos_are_learned_from_too(lstm):
    found = learn(examples("ab", 5, moves=False), lstm)
    assert found.judgement.accuracy > 0.9
    assert not found.model.card["moves"]
    mixed = learn([*examples("ab"), example("b", 5, moves=False)], lstm).model
    (step,) = mixed.predict(frames(example("b", 6, moves=False)))
    assert len(step.probabilities) == 2


def test_a_clip_of_none_of_the_labels_is_something_else(lstm):
    """The shipped recogniser says one thing of all taught clips, and another of a foreign one."""
    seen = np.zeros(len(lstm.labels), np.float16)
    seen[3] = 1
    given = [replace(each, seen=seen) for each in examples("ab")]
    model = learn(given, lstm, background=True).model
    assert model.labels == ["a", "b", SOMETHING_ELSE]
    foreign = np.roll(seen, 9)
    assert model.with_background(np.array([0.9, 0.1]), foreign.astype(np.float32))[-1] > 0.9
    known = model.with_background(np.array([0.9, 0.1]), seen.astype(np.float32))
    assert known[-1] < 0.1
    assert known.sum() == pytest.approx(1)
    reading = read_features(model, frames(given[0]), 2.0)
    assert reading.labels == ("a", "b", SOMETHING_ELSE)


def test_labels_and_limits():
    assert checked_label("  a \n serve ") == "a serve"
    for text in ("", " \n", "x" * 41, NO_ACTION, SOMETHING_ELSE):
        with pytest.raises(TeachingError):
            checked_label(text)
    with pytest.raises(TeachingError, match="two labels"):
        learn(examples("a"), None)
    one = example("a", 1)
    with pytest.raises(TeachingError, match="at most 100 clips"):
        check_room([one] * 100, "a")
    with pytest.raises(TeachingError, match="At most 30 labels"):
        check_room([replace(one, label=f"{k}") for k in range(30)], "new")
    with pytest.raises(TeachingError, match="minutes"):
        check_room([replace(one, duration=3600.0)], "a")


def test_the_library_teaches_from_files(encoder, bikes, cat, concert):
    found = teach({"bikes": [bikes], "concert": [concert], "cat": [cat]}, encoder)
    assert found.model.labels == ["bikes", "concert", "cat"]
    *_, last = found.model.predict(encoder.encode_clip(read_clip(bikes)))
    assert found.model.top(last, 1)[0][0] == "bikes"
