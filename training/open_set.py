"""Fit the two questions of open-set recognition: does anybody do anything, and was anything like this learned?

Both are logistic regressions of few numbers on items that no network was fitted to: held-out groups, and sources of
which nothing was learned. They are weighed as a public page may meet them: a third shows no action; of the rest, half
are web clips of sources that nothing was learned from, and half are held-out groups.

``acts_join`` joins what both encoders say. ``known`` turns the energies of both opinions (Liu et al. 2020) and the
highest probability into the factor by which every probability is lowered: it is fitted so that the probability of the
likeliest action is the share of the cases in which it is right. Where nobody acts, or the label is none that the
recogniser has, no action is right.

Shapes: N items (of a clip several steps), A actions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from pipeline.models.action import ActionNetwork, Opinions, weighted

NO_ACTION_SHARE, UNSEEN_SHARE = 1 / 3, 1 / 2  # UNSEEN_SHARE of the items that show an action
INVERSE_PENALTY = 1e-3  # of the regression on motion features
RIDGE = 1e-3  # on the weights of the two small regressions


@dataclass(frozen=True)
class Readings:
    """What the recogniser says of N items: calibrated ``logits`` (N, A), the ``opinions`` of the clip so far, and of
    each item the ``right`` (N, A) actions, none where nobody acts or the label is unknown; ``acts`` (N,) 1, 0, or -1 if
    it is not known whether somebody acts; ``weight`` (N,)."""

    logits: Tensor
    opinions: Opinions
    right: Tensor
    acts: Tensor
    weight: Tensor


def item_weights(acts: np.ndarray, unseen: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """(N,): the three groups have their shares; within a group every kind (a source) counts by the square root of its
    number of items. ``acts`` is as in Readings, ``unseen`` (N,) bool, ``kinds`` (N,) names."""
    groups = np.where(acts == 0, 0, np.where(unseen, 1, 2))
    shares = (NO_ACTION_SHARE, (1 - NO_ACTION_SHARE) * UNSEEN_SHARE, (1 - NO_ACTION_SHARE) * (1 - UNSEEN_SHARE))
    weight = np.zeros(len(acts))
    for group, share in enumerate(shares):
        own = groups == group
        names, place, count = np.unique(kinds[own], return_inverse=True, return_counts=True)
        if len(names):
            each = count[place] ** -0.5
            weight[own] = share * each / each.sum()
    return weight


def fit_acts_by_motion(features: np.ndarray, acts: np.ndarray, weight: np.ndarray) -> nn.Linear:
    """The regression from the mean motion features of clips (N, E) to whether somebody acts, (N,) 0 or 1."""
    weight = weight * np.where(acts == 1, 1 / weight[acts == 1].sum(), 1 / weight[acts == 0].sum())
    scaler = StandardScaler()
    regression = LogisticRegression(C=INVERSE_PENALTY, max_iter=500)
    model = make_pipeline(scaler, regression)
    model.fit(features, acts, logisticregression__sample_weight=weight / weight.mean())
    layer = nn.Linear(features.shape[1], 1)
    weights = regression.coef_[0] / scaler.scale_
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weights[None]))
        layer.bias.fill_(float(regression.intercept_[0] - weights @ scaler.mean_))
    return layer


def fit_acts_join(network: ActionNetwork, readings: Readings) -> None:
    """Set ``acts_join``; its rows are fitted to stills and to clips."""
    asked = readings.acts >= 0
    truth = (readings.acts == 1).float()

    def loss(row: Tensor, own: Tensor) -> Tensor:
        logits = weighted(readings.opinions.frames.acts[own], row)[:, 0]
        return F.binary_cross_entropy_with_logits(logits, truth[own], readings.weight[own], reduction="sum")

    _fit_rows(network.acts_join, readings, asked, loss)


def fit_known(network: ActionNetwork, readings: Readings) -> None:
    """Set ``known``; its rows are fitted to stills and to clips. ``acts_join`` must be set."""
    likeliest = readings.logits.argmax(1, keepdim=True)
    right = readings.right.gather(1, likeliest)[:, 0].float()
    log_probs = readings.logits.log_softmax(1).amax(1, keepdim=True)
    opinions = readings.opinions
    acts = weighted(opinions.frames.acts, network.acts_join[opinions.has_motion.long()])
    evidence = torch.cat([opinions.frames.energy, opinions.motion_energy, log_probs], 1)
    certain = (F.logsigmoid(acts) + log_probs)[:, 0]

    def loss(row: Tensor, own: Tensor) -> Tensor:
        p = (certain[own] + F.logsigmoid(weighted(evidence[own], row)[:, 0])).exp().clamp(1e-5, 1 - 1e-5)
        return F.binary_cross_entropy(p, right[own], readings.weight[own], reduction="sum")

    _fit_rows(network.known, readings, torch.ones(len(right), dtype=torch.bool), loss)


def _fit_rows(rows: Tensor, readings: Readings, used: Tensor, loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Fit the two rows of a buffer: the first to the stills among the used items, the second to the clips."""
    for kind in (False, True):
        own = used & (readings.opinions.has_motion == kind)
        row = torch.zeros_like(rows[int(kind)]).requires_grad_(True)
        optimiser = torch.optim.LBFGS([row], max_iter=200, line_search_fn="strong_wolfe")

        def closure(own: Tensor = own, row: Tensor = row, optimiser: torch.optim.LBFGS = optimiser) -> Tensor:
            optimiser.zero_grad()
            total = loss(row, own) / readings.weight[own].sum() + RIDGE * row[:-1].square().sum()
            total.backward()
            return total

        optimiser.step(closure)
        rows[int(kind)] = row.detach()
