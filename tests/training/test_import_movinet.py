from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from training.import_movinet import Agreement, dequantise, layer_names, torch_layout


def test_each_channel_has_its_own_scale_and_zero_point():
    numbers = np.array([[1, 2], [3, 4]], np.int8)
    scale, zero = np.array([0.5, 2.0], np.float32), np.array([1, 0])
    assert dequantise(numbers, scale, zero, 0).tolist() == [[0.0, 0.5], [6.0, 8.0]]
    assert dequantise(numbers, scale, zero, 1).tolist() == [[0.0, 4.0], [1.0, 8.0]]


def test_one_scale_is_for_the_whole_tensor():
    values = dequantise(np.array([-128, 127], np.int8), np.array([0.1], np.float32), np.array([-128]), 0)
    np.testing.assert_allclose(values, [0.0, 25.5], rtol=1e-6)


def test_a_dense_weight_is_laid_out_as_torch_convolves():
    """One pixel, one channel after the other: what TensorFlow sums over the last axis, torch sums over the second."""
    weight, x = torch.randn(5, 1, 1, 3), torch.randn(3)
    ours = torch_layout("layers.0.expand.weight", weight, torch.Size([5, 3, 1, 1]))
    torch.testing.assert_close(F.conv2d(x[None, :, None, None], ours).ravel(), weight[:, 0, 0] @ x)


def test_a_depthwise_weight_keeps_its_rows_columns_and_channels():
    weight = torch.randn(1, 3, 3, 4)  # as TensorFlow Lite orders it: 1, rows, columns, channels
    ours = torch_layout("layers.0.spatial.weight", weight, torch.Size([4, 1, 3, 3]))
    assert ours.shape == (4, 1, 3, 3)
    assert ours[2, 0, 0, 1] == weight[0, 0, 1, 2]


def test_a_temporal_weight_is_one_row_for_each_frame():
    weight = torch.randn(1, 5, 1, 4)
    ours = torch_layout("layers.3.temporal.weight", weight, torch.Size([5, 4]))
    assert torch.equal(ours, weight[0, :, 0])


def test_the_published_names_count_the_layers_of_each_block():
    assert layer_names()[:3] == ["block0_layer0", "block1_layer0", "block1_layer1"]
    assert layer_names()[-1] == "block4_layer3"


def test_agreement_of_equal_and_of_scaled_values():
    values = np.random.default_rng(0).normal(size=(6, 10))
    same = Agreement.of("x", [(v, v) for v in values])
    assert (same.cosine, same.error, same.same_top) == (pytest.approx(1), 0, 1)
    doubled = Agreement.of("x", [(2 * v, v) for v in values])
    assert (doubled.cosine, doubled.error, doubled.same_top) == (pytest.approx(1), pytest.approx(1), 1)
