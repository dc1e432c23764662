from __future__ import annotations

import pytest
import torch

from pipeline.models.recurrent import CELLS, RNNCell, State

B, T, D, H = 3, 17, 11, 7
COUNTERPARTS = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}


@pytest.fixture(params=CELLS)
def cell(request):
    torch.manual_seed(3)
    return CELLS[request.param](D, H), request.param


@pytest.fixture
def x():
    torch.manual_seed(4)
    return 2 * torch.randn(B, T, D)


def test_equals_its_torch_counterpart(cell, x):
    mine, name = cell
    theirs = COUNTERPARTS[name](D, H, batch_first=True)
    theirs.load_state_dict({f"{key}_l0": value for key, value in mine.state_dict().items()})
    hidden, state = mine.scan(x)
    expected, last = theirs(x)
    torch.testing.assert_close(hidden, expected, atol=1e-5, rtol=0)
    if name == "lstm":
        torch.testing.assert_close(state.h, last[0][0], atol=1e-5, rtol=0)
        torch.testing.assert_close(state.c, last[1][0], atol=1e-5, rtol=0)
    else:
        torch.testing.assert_close(state.h, last[0], atol=1e-5, rtol=0)


def test_gradients_equal_those_of_the_torch_counterpart(cell, x):
    mine, name = cell
    theirs = COUNTERPARTS[name](D, H, batch_first=True)
    theirs.load_state_dict({f"{key}_l0": value for key, value in mine.state_dict().items()})
    mine.scan(x)[0].square().sum().backward()
    theirs(x)[0].square().sum().backward()
    for key, parameter in mine.named_parameters():
        torch.testing.assert_close(parameter.grad, getattr(theirs, f"{key}_l0").grad, atol=1e-4, rtol=1e-4)


def test_streaming_equals_batch(cell, x):
    mine, _ = cell
    hidden, _ = mine.scan(x)
    state = mine.initial_state(B)
    for t in range(T):
        state = mine.step(x[:, t], state)
        torch.testing.assert_close(state.h, hidden[:, t], atol=1e-5, rtol=0)


def test_a_scan_can_be_continued(cell, x):
    mine, _ = cell
    whole, _ = mine.scan(x)
    first, state = mine.scan(x[:, :5])
    second, _ = mine.scan(x[:, 5:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole, atol=1e-5, rtol=0)


def test_the_plain_cell_is_one_shared_matrix_on_the_stacked_vector(x):
    """h_t = tanh(W [h_{t-1}; x_t] + b), as the lecture writes it."""
    cell = RNNCell(D, H)
    W = torch.cat([cell.weight_hh, cell.weight_ih], 1)  # (H, H + D)
    b = cell.bias_hh + cell.bias_ih
    h = torch.zeros(B, H)
    hidden, _ = cell.scan(x)
    for t in range(T):
        h = torch.tanh(torch.cat([h, x[:, t]], 1) @ W.T + b)
        torch.testing.assert_close(hidden[:, t], h, atol=1e-5, rtol=0)


def test_order_matters_and_clips_do_not_mix(cell, x):
    mine, _ = cell
    hidden, _ = mine.scan(x)
    assert (mine.scan(x.flip(1))[0][:, -1] - hidden[:, -1]).abs().max() > 1e-3
    torch.testing.assert_close(mine.scan(x[1:2])[0], hidden[1:2], atol=1e-5, rtol=0)


def test_an_lstm_asks_for_its_memory():
    with pytest.raises(AssertionError, match="initial_state"):
        CELLS["lstm"](D, H).step(torch.zeros(1, D), State(torch.zeros(1, H)))
