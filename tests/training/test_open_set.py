"""The two questions of open-set recognition, fitted to invented items whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline.models.action import NO_ACTION, ActionNetwork, FrameEvidence, Opinions
from training.open_set import (
    NO_ACTION_SHARE,
    UNSEEN_SHARE,
    Readings,
    fit_acts_by_motion,
    fit_acts_join,
    fit_known,
    item_weights,
)

ACTIONS, ITEMS = 5, 2000


@pytest.fixture(scope="module")
def network() -> ActionNetwork:
    return ActionNetwork("rnn", 3, ACTIONS, 4, 8).eval()


def readings(rng: np.random.Generator, has_motion: bool) -> Readings:
    """Items of which a third shows nobody; the logits are confident, and right more often if the energy is high."""
    acts = (rng.random(ITEMS) > 1 / 3).astype(int)
    energy = rng.normal(0, 1, ITEMS)
    truth = rng.integers(0, ACTIONS, ITEMS)
    said = np.where(rng.random(ITEMS) < 1 / (1 + np.exp(-2 * energy)), truth, (truth + 1) % ACTIONS)
    logits = torch.full((ITEMS, ACTIONS), 0.0).scatter(1, torch.from_numpy(said)[:, None], 5.0)
    right = torch.zeros(ITEMS, ACTIONS, dtype=torch.bool)
    right[np.flatnonzero(acts), truth[acts == 1]] = True
    by_image = torch.from_numpy(np.where(acts == 1, 2.0, -2.0) + rng.normal(0, 1.5, ITEMS)).float()
    frames = FrameEvidence(
        torch.zeros(ITEMS, 3), torch.from_numpy(energy).float()[:, None], torch.stack([by_image, 0 * by_image], 1)
    )
    moves = torch.full((ITEMS,), has_motion)
    opinions = Opinions(frames, torch.zeros(ITEMS, ACTIONS), torch.zeros(ITEMS, 1), moves)
    return Readings(logits, opinions, right, torch.from_numpy(acts), torch.ones(ITEMS) / ITEMS)


@pytest.mark.parametrize("has_motion", [False, True])
def test_probabilities_mean_what_they_say(network, has_motion):
    """After the fit, of the answers with a probability near p the share p is right."""
    items = readings(np.random.default_rng(0), has_motion)
    fit_acts_join(network, items)
    fit_known(network, items)
    with torch.inference_mode():
        probabilities = network.open_set(items.logits, items.opinions).exp()
    assert probabilities.sum(1).numpy() == pytest.approx(np.ones(ITEMS), abs=1e-5)
    nobody = probabilities[:, -2]
    assert float(nobody[items.acts == 0].mean()) > 0.6
    assert float(nobody[items.acts == 1].mean()) < 0.3
    action, likeliest = probabilities[:, :ACTIONS].max(1)
    right = items.right.gather(1, likeliest[:, None])[:, 0].float()
    for low, high in ((0, 0.2), (0.2, 0.6), (0.6, 1)):
        own = (action >= low) & (action < high)
        assert float(action[own].mean()) == pytest.approx(float(right[own].mean()), abs=0.08)


def test_the_three_groups_have_their_shares():
    acts = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    unseen = np.array([True, False, False, True, False, False, False, False])
    kinds = np.array(["a", "b", "b", "a", "c", "c", "c", "d"])
    weight = item_weights(acts, unseen, kinds)
    assert weight.sum() == pytest.approx(1)
    assert weight[acts == 0].sum() == pytest.approx(NO_ACTION_SHARE)
    assert weight[3] == pytest.approx((1 - NO_ACTION_SHARE) * UNSEEN_SHARE)
    assert weight[7] > weight[4]  # a large source counts less for each of its items


def test_the_regression_reads_features_as_they_are():
    rng = np.random.default_rng(0)
    acts = rng.integers(0, 2, 400)
    features = rng.normal(5, 3, (400, 480)) + 2.0 * acts[:, None]
    layer = fit_acts_by_motion(features, acts, np.ones(400))
    with torch.inference_mode():
        said = layer(torch.from_numpy(features).float())[:, 0] > 0
    assert float((said.numpy() == acts).mean()) > 0.95


def test_no_action_is_no_label_of_the_flat_list():
    from training.labels import flat_labels

    assert NO_ACTION not in flat_labels()
