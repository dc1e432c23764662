"""Shared by the training loops: optimiser with schedule, one gradient step, moving average of the weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR
from torch.optim.swa_utils import AveragedModel

Network = TypeVar("Network", bound=nn.Module)


def adamw_one_cycle(
    parameters: Iterable[nn.Parameter], rate: float, weight_decay: float, steps: int, warm_up: float
) -> tuple[AdamW, OneCycleLR]:
    """AdamW whose learning rate rises to ``rate`` in the share ``warm_up`` of the steps, then falls by a cosine."""
    optimiser = AdamW(parameters, rate, weight_decay=weight_decay)
    return optimiser, OneCycleLR(optimiser, rate, total_steps=steps, pct_start=warm_up)


def optimiser_step(
    loss: Tensor,
    optimiser: Optimizer,
    schedule: LRScheduler | None = None,
    clipped: Iterable[Tensor] = (),
    max_norm: float = 1.0,
) -> None:
    """One step of gradient descent. The common norm of the gradients of ``clipped`` is limited to ``max_norm``."""
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(clipped, max_norm)
    optimiser.step()
    if schedule is not None:
        schedule.step()


class MovingAverage(AveragedModel, Generic[Network]):
    """Exponential moving average of a network's weights over training steps (Polyak & Juditsky 1992), in ``module``.

    Call ``update_parameters(network)`` after every step. After step n the average keeps the share
    min(decay, (n + lead) / (n + 10)) of its former value: the first weights lose their influence quickly.
    """

    module: Network

    def __init__(self, network: Network, decay: float, lead: int = 0) -> None:
        def average(mean: Tensor, current: Tensor, steps: Tensor | int) -> Tensor:
            return mean.lerp(current, 1 - min(decay, (int(steps) + lead) / (int(steps) + 10)))

        super().__init__(network, avg_fn=average)
        self.update_parameters(network)  # the first update only copies, so it must not be the first training step
