from __future__ import annotations

import numpy as np
import pytest
import torch

from training.action import set_losses
from training.calibration import best_temperature
from training.sequences import Batch


def batch_of(lengths: list[int], right: list[list[bool]]) -> Batch:
    empty = torch.zeros(len(lengths), max(lengths), 1)
    return Batch(empty, empty, empty, empty[..., 0].bool(), torch.tensor(lengths), torch.tensor(right))


def test_the_loss_of_a_set_is_that_of_its_summed_probability():
    probabilities = torch.tensor([[[0.2, 0.3, 0.5]]])
    one = set_losses(probabilities.log(), batch_of([1], [[True, True, False]]))
    assert one.tolist() == pytest.approx([-np.log(0.5)])


def test_steps_after_the_end_of_a_sequence_do_not_count():
    torch.manual_seed(0)
    log_probs = torch.randn(2, 5, 4).log_softmax(-1)
    right = [[True, False, False, False], [False, True, True, False]]
    short = set_losses(log_probs[:, :3], batch_of([3, 3], right))
    padded = log_probs.clone()
    padded[:, 3:] = torch.randn(2, 2, 4).log_softmax(-1)
    batch = batch_of([5, 5], right)
    assert not torch.allclose(set_losses(padded, batch), short)
    shorter = Batch(*(getattr(batch, name) for name in ("appearance", "motion", "motion_logits", "has_motion")),
                    torch.tensor([3, 3]), batch.right)  # fmt: skip
    torch.testing.assert_close(set_losses(padded, shorter), short)


def test_temperature_undoes_a_scale():
    torch.manual_seed(0)
    logits = 2 * torch.randn(4000, 5)
    labels = torch.distributions.Categorical(logits=logits).sample()
    assert best_temperature(3 * logits, labels) == pytest.approx(3 * best_temperature(logits, labels), rel=0.05)
