"""What is shown of a cell must be what the cell did."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from pipeline.analysis.cell_trace import gate_terms, input_sensitivity, trace, unit_contributions, unit_order
from pipeline.analysis.feature_maps import LAYERS, MAPS_PER_LAYER, class_activation_map, feature_maps
from pipeline.media.reader import read_clip
from pipeline.models.recurrent import CELLS, Cell

T, D, H = 7, 5, 6


@pytest.fixture(params=CELLS)
def cell(request) -> Cell:
    torch.manual_seed(0)
    return CELLS[request.param](D, H)


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(T, D, generator=torch.Generator().manual_seed(1))


def test_the_states_shown_are_the_states_read(cell, x):
    hidden, last = cell.scan(x[None])
    found = trace(cell, x)
    np.testing.assert_allclose(found.activations["h"], hidden[0].detach().numpy(), atol=1e-6)
    if last.c is not None:
        np.testing.assert_allclose(found.activations["c"][-1], last.c[0].detach().numpy(), atol=1e-6)


def test_the_arithmetic_of_a_step_adds_up(x):
    torch.manual_seed(0)
    cell = CELLS["rnn"](D, H)
    found = trace(cell, x)
    total = found.from_input + found.from_state + found.bias
    np.testing.assert_allclose(np.tanh(total), found.activations["h"], atol=1e-5)
    assert not found.from_state[0].any()  # before the first frame there is nothing to remember


def test_gates_are_open_between_0_and_1_and_make_the_state(x):
    torch.manual_seed(0)
    lstm, gru = trace(CELLS["lstm"](D, H), x).activations, trace(CELLS["gru"](D, H), x).activations
    for gate in (lstm["i"], lstm["f"], lstm["o"], gru["r"], gru["z"]):
        assert ((gate > 0) & (gate < 1)).all()
    before = np.vstack([np.zeros((1, H)), lstm["c"][:-1]])
    np.testing.assert_allclose(lstm["f"] * before + lstm["i"] * lstm["g"], lstm["c"], atol=1e-6)
    np.testing.assert_allclose(lstm["o"] * np.tanh(lstm["c"]), lstm["h"], atol=1e-6)
    before = np.vstack([np.zeros((1, H)), gru["h"][:-1]])
    np.testing.assert_allclose((1 - gru["z"]) * gru["n"] + gru["z"] * before, gru["h"], atol=1e-6)


def test_memory_is_the_norm_of_the_jacobian(cell, x):
    def last(inputs: torch.Tensor) -> torch.Tensor:
        return cell.scan(inputs[None])[0][0, -1]

    jacobian = torch.autograd.functional.jacobian(last, x)  # (H, T, D)
    expected = jacobian.pow(2).sum((0, 2)).sqrt().numpy()
    np.testing.assert_allclose(input_sensitivity(cell, x), expected, rtol=1e-5)


def test_contributions_add_up_to_the_score(cell, x):
    readout = torch.nn.Linear(H, 3)
    hidden = trace(cell, x).activations["h"]
    scores = readout(torch.from_numpy(hidden)).detach().numpy()
    for label in range(3):
        mine = unit_contributions(readout, hidden, label).sum(1) + readout.bias[label].item()
        np.testing.assert_allclose(mine, scores[:, label], atol=1e-5)


def test_units_that_move_alike_stand_together():
    wave = np.sin(np.linspace(0, 3, 12))
    ramp = np.linspace(-1, 1, 12)
    curves = np.stack([wave, ramp, wave * 0.9, ramp * 1.1, wave * 1.1, ramp * 0.9], 1)
    order = unit_order(curves)
    assert sorted(order.tolist()) == list(range(6))
    kinds = [k % 2 for k in order]
    assert sum(a != b for a, b in pairwise(kinds)) <= 2


@pytest.mark.parametrize("name", CELLS)
def test_every_number_on_screen_adds_up(name, x):
    torch.manual_seed(0)
    cell = CELLS[name](D, H)
    found = trace(cell, x)
    for step in range(T):
        for unit in range(H):
            for row in gate_terms(cell, found, step, unit):
                assert row.total == pytest.approx(row.from_input + row.from_state + row.bias)
                squashed = np.tanh(row.total) if row.activation == "tanh" else 1 / (1 + np.exp(-row.total))
                assert squashed == pytest.approx(row.value, abs=1e-5)


def test_the_evidence_of_the_regions_adds_up_to_the_score():
    readout = torch.nn.Linear(D, 3)
    regions = np.random.default_rng(0).normal(size=(9, D)).astype(np.float32)
    scores = readout(torch.from_numpy(regions.mean(0))).detach().numpy()
    for label in range(3):
        total = class_activation_map(readout, regions, label).sum() + readout.bias[label].item()
        assert total == pytest.approx(scores[label], abs=1e-5)


def test_the_planes_shown_are_the_networks_own(encoder, concert):
    """The layers get coarser and coarser, and the last one shown is the network's last block."""
    picture = read_clip(concert).frames[0].image
    network = encoder.backbone
    found = feature_maps(network, picture)
    assert list(found) == list(LAYERS)
    assert [layer.shape for layer in found.values()] == [
        (MAPS_PER_LAYER, 224 // n, 288 // n) for n in (2, 4, 8, 16, 32)
    ]
    with torch.inference_mode():
        x = network.lower(network.normalise(torch.from_numpy(picture)[None]))
        for block in network.blocks[8:]:
            x = block(x)
    planes = x[0].numpy()
    widest = planes[planes.std((1, 2)).argmax()]
    shown = found["block 16"][0]
    np.testing.assert_allclose(np.corrcoef(widest.ravel(), shown.ravel())[0, 1], 1.0, atol=1e-5)
    assert all(layer.min() == -1 and layer.max() == 1 for layer in found.values())
