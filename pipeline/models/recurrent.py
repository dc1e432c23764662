"""The recurrent cells: one function f_W, applied at every step, h_t = f_W(h_{t-1}, x_t).

Three cells with one interface. ``step`` reads one vector and costs the same at step 10,000 as at step 1; ``scan`` reads
a whole clip. Both apply the same equations with the same shared weights, so their results agree.

Shapes: B clips, T time steps, D input size, H hidden size. Weight names and their row order follow ``torch.nn.RNN``,
``GRU`` and ``LSTM`` (one layer), so weights can move between the two; the tests hold them within 1e-5.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn


class State(NamedTuple):
    """What a cell carries from step to step: the hidden state h (B, H) and, for the LSTM, the cell state c (B, H)."""

    h: Tensor
    c: Tensor | None = None


class Cell(nn.Module):
    """The interface of the three cells, and their shared weights.

    ``input_gates`` is W_x x_t + b for any number of steps: it does not depend on h, so one matrix product serves a
    whole clip. ``recur`` is the part that needs h_{t-1}.
    """

    gate_names: tuple[str, ...]  # in the order of the weights' rows, H rows each; the plain cell's only one is h

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.gates = len(self.gate_names)
        self.weight_ih = nn.Parameter(torch.empty(self.gates * hidden_size, input_size))
        self.weight_hh = nn.Parameter(torch.empty(self.gates * hidden_size, hidden_size))
        self.bias_ih = nn.Parameter(torch.empty(self.gates * hidden_size))
        self.bias_hh = nn.Parameter(torch.empty(self.gates * hidden_size))
        for parameter in self.parameters():  # torch.nn's own initialisation
            nn.init.uniform_(parameter, -1 / math.sqrt(hidden_size), 1 / math.sqrt(hidden_size))

    def initial_state(self, batch: int = 1) -> State:
        """h_0 = 0 for ``batch`` clips."""
        return State(self.weight_hh.new_zeros(batch, self.hidden_size))

    def input_gates(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., gates * H)"""
        return torch.nn.functional.linear(x, self.weight_ih, self.bias_ih)

    def hidden_gates(self, h: Tensor) -> Tensor:
        """(B, H) -> (B, gates * H)"""
        return torch.nn.functional.linear(h, self.weight_hh, self.bias_hh)

    def activations(self, gates: Tensor, state: State) -> dict[str, Tensor]:
        """All values of one step from its input gates (B, gates * H): gates and new state by name, each (B, H)."""
        raise NotImplementedError

    def recur(self, gates: Tensor, state: State) -> State:
        """One step, given its input gates (B, gates * H)."""
        activations = self.activations(gates, state)
        return State(activations["h"], activations.get("c"))

    def step(self, x: Tensor, state: State) -> State:
        """Read one vector per clip, (B, D)."""
        return self.recur(self.input_gates(x), state)

    def scan(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Read (B, T, D) -> every hidden state (B, T, H), and the last state."""
        state = state or self.initial_state(len(x))
        hidden = []
        for gates in self.input_gates(x).unbind(1):
            state = self.recur(gates, state)
            hidden.append(state.h)
        return torch.stack(hidden, 1), state


class RNNCell(Cell):
    """The plain cell (Elman 1990): h_t = tanh(W [h_{t-1}; x_t] + b), with W = [W_hh, W_ih] shared by all steps."""

    gate_names = ("h",)

    def activations(self, gates: Tensor, state: State) -> dict[str, Tensor]:
        return {"h": torch.tanh(gates + self.hidden_gates(state.h))}


class GRUCell(Cell):
    """Gated recurrent unit (Cho et al. 2014, in torch's form): reset gate r, update gate z, candidate n."""

    gate_names = ("r", "z", "n")

    def activations(self, gates: Tensor, state: State) -> dict[str, Tensor]:
        xr, xz, xn = gates.chunk(3, 1)
        hr, hz, hn = self.hidden_gates(state.h).chunk(3, 1)
        r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
        n = torch.tanh(xn + r * hn)
        return {"r": r, "z": z, "n": n, "h": (1 - z) * n + z * state.h}


class LSTMCell(Cell):
    """Long short-term memory (Hochreiter & Schmidhuber 1997): gates i, f, o control the cell state c; candidate g."""

    gate_names = ("i", "f", "g", "o")

    def initial_state(self, batch: int = 1) -> State:
        zeros = self.weight_hh.new_zeros(batch, self.hidden_size)
        return State(zeros, zeros)

    def activations(self, gates: Tensor, state: State) -> dict[str, Tensor]:
        assert state.c is not None, "an LSTM state has c; begin with initial_state()"
        i, f, g, o = (gates + self.hidden_gates(state.h)).chunk(4, 1)
        i, f, o, g = torch.sigmoid(i), torch.sigmoid(f), torch.sigmoid(o), torch.tanh(g)
        c = f * state.c + i * g
        return {"i": i, "f": f, "o": o, "g": g, "c": c, "h": o * torch.tanh(c)}


CELLS: dict[str, type[Cell]] = {"lstm": LSTMCell, "gru": GRUCell, "rnn": RNNCell}
