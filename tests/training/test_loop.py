from __future__ import annotations

import pytest
import torch
from torch import nn

from training.loop import MovingAverage, adamw_one_cycle, optimiser_step


@pytest.mark.parametrize(("decay", "lead"), [(0.5, 0), (0.998, 0), (0.998, 1)])
def test_the_moving_average_is_the_weighted_sum_of_all_weights(decay, lead):
    """Against the sum written out: the weights before training, then those after each of 40 steps."""
    torch.manual_seed(0)
    network = nn.Linear(3, 2).double()
    average, history = MovingAverage(network, decay, lead), [network.weight.detach().clone()]
    for _ in range(40):
        nn.init.normal_(network.weight)
        average.update_parameters(network)
        history.append(network.weight.detach().clone())
    shares = [min(decay, (n + lead) / (n + 10)) for n in range(1, 41)]  # of the former average
    expected = history[0]
    for share, weight in zip(shares, history[1:], strict=True):
        expected = share * expected + (1 - share) * weight
    torch.testing.assert_close(average.module.weight, expected)
    assert not torch.equal(average.module.weight, network.weight)


def test_only_the_given_parameters_are_clipped():
    """Plain gradient descent with rate 1: the change of the weights is the gradient."""
    clipped, free = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))
    optimiser = torch.optim.SGD([clipped, free], 1.0)
    optimiser_step((3 * clipped + 4 * free).sum(), optimiser, clipped=[clipped], max_norm=0.5)
    assert clipped.detach().norm() == pytest.approx(0.5, rel=1e-4)
    assert free.tolist() == [-4, -4]


def test_the_learning_rate_rises_then_falls():
    weight = nn.Parameter(torch.ones(1))
    optimiser, schedule = adamw_one_cycle([weight], 0.1, 0.0, steps=20, warm_up=0.25)
    rates = []
    for _ in range(20):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser_step((weight**2).sum(), optimiser, schedule)
    peak = rates.index(max(rates))
    assert max(rates) == pytest.approx(0.1)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert peak == 4
