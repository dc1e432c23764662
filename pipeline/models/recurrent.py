"""The recurrent cells: one function f_W, used again at every step, h_t = f_W(h_{t-1}, x_t).

Three cells behind one interface. ``step`` reads one vector and costs the same at step 10,000 as at step 1; ``scan``
reads a whole clip. Both run the same equations with the same shared weights, so reading frame by frame and reading
at once agree.

Shapes: B clips, T time steps, D input size, H hidden size. Weight names and their row order follow ``torch.nn.RNN``,
``GRU`` and ``LSTM`` (one layer), so weights can move between the two; the tests hold them within 1e-5.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn


class State(NamedTuple):
    """What a cell carries from step to step: the hidden state h (B, H) and, for the LSTM, the memory c (B, H)."""

    h: Tensor
    c: Tensor | None = None


class Cell(nn.Module):
    """The interface of the three cells and their shared weights.

    ``input_gates`` is W_x x_t + b for any number of steps at once: it does not depend on h, so a whole clip's is one
    matrix product. ``recur`` is the part that must wait for h_{t-1}.
    """

    gates: int  # how many H-wide slices the weights hold

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
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
        """Everything one step computes from the frame's input gates (B, gates * H), each (B, H), the new state last."""
        raise NotImplementedError

    def recur(self, gates: Tensor, state: State) -> State:
        """One step, given the frame's input gates (B, gates * H)."""
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

    gates = 1

    def activations(self, gates: Tensor, state: State) -> dict[str, Tensor]:
        return {"h": torch.tanh(gates + self.hidden_gates(state.h))}


class GRUCell(Cell):
    """Gated recurrent unit (Cho et al. 2014, in torch's form): r resets, z keeps, n is the new proposal."""

    gates = 3

    def activations(self, gates: Tensor, state: State) -> dict[str, Tensor]:
        xr, xz, xn = gates.chunk(3, 1)
        hr, hz, hn = self.hidden_gates(state.h).chunk(3, 1)
        r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
        n = torch.tanh(xn + r * hn)
        return {"r": r, "z": z, "n": n, "h": (1 - z) * n + z * state.h}


class LSTMCell(Cell):
    """Long short-term memory (Hochreiter & Schmidhuber 1997): gates i, f, o guard a memory c with candidate g."""

    gates = 4

    def initial_state(self, batch: int = 1) -> State:
        zeros = self.weight_hh.new_zeros(batch, self.hidden_size)
        return State(zeros, zeros)

    def activations(self, gates: Tensor, state: State) -> dict[str, Tensor]:
        assert state.c is not None, "an LSTM state carries c; begin from initial_state()"
        i, f, g, o = (gates + self.hidden_gates(state.h)).chunk(4, 1)
        i, f, o, g = torch.sigmoid(i), torch.sigmoid(f), torch.sigmoid(o), torch.tanh(g)
        c = f * state.c + i * g
        return {"i": i, "f": f, "o": o, "g": g, "c": c, "h": o * torch.tanh(c)}


CELLS: dict[str, type[Cell]] = {"lstm": LSTMCell, "gru": GRUCell, "rnn": RNNCell}
