"""Inside the networks: everything h_t = f_W(h_{t-1}, x_t) computes while it reads a clip, how long it remembers, and
what the CNN's layers make of a frame.

Shapes: T steps, D size of x_t, H hidden size, L labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pipeline.models.recurrent import Cell


@dataclass(frozen=True)
class Trace:
    """A cell's reading of one clip. ``parts`` holds each gate's values, the memory c and the state h, each (T, H).

    For the plain cell ``from_input`` (W_xh x_t), ``from_state`` (W_hh h_{t-1}) and ``bias`` add up to what tanh is
    taken of; the gated cells have as many such slices as gates, (T, gates * H).
    """

    activations: dict[str, np.ndarray]
    from_input: np.ndarray
    from_state: np.ndarray
    bias: np.ndarray  # (gates * H,)


@torch.inference_mode()
def trace(cell: Cell, x: Tensor) -> Trace:
    """What the cell computes at every step of x, (T, D)."""
    state, rows, from_state = cell.initial_state(), [], []
    from_input = torch.nn.functional.linear(x, cell.weight_ih)
    for gates in cell.input_gates(x).split(1):
        from_state.append(torch.nn.functional.linear(state.h, cell.weight_hh))
        rows.append(cell.activations(gates, state))
        state = type(state)(rows[-1]["h"], rows[-1].get("c"))
    activations = {name: torch.cat([row[name] for row in rows]).numpy() for name in rows[0]}
    bias = (cell.bias_ih + cell.bias_hh).numpy()
    return Trace(activations, from_input.numpy(), torch.cat(from_state).numpy(), bias)


def input_sensitivity(cell: Cell, x: Tensor) -> np.ndarray:
    """How much the last state depends on each input: the Frobenius norm of dh_T / dx_t for every t, (T,).

    Short against long dependence (Bengio et al. 1994, Pascanu et al. 2013): where it has fallen to nothing, the cell
    has forgotten. x is (T, D).
    """
    x = x.detach().clone().requires_grad_()
    hidden, _ = cell.scan(x[None])
    every_unit = torch.eye(cell.hidden_size)
    (jacobian,) = torch.autograd.grad(hidden[0, -1], x, every_unit, is_grads_batched=True)  # (H, T, D)
    return jacobian.pow(2).sum((0, 2)).sqrt().detach().numpy()


def unit_contributions(readout: torch.nn.Linear, hidden: np.ndarray, label: int) -> np.ndarray:
    """What each unit says for (above 0) or against a label: its weight in the readout times its value, (T, H)."""
    return hidden * readout.weight[label].detach().numpy()


def unit_order(hidden: np.ndarray) -> np.ndarray:
    """The units (H,) in an order in which those that move alike stand together: by the angle in the plane of the two
    strongest components of their curves (T, H), so that neighbours in the strip are neighbours in what they do."""
    curves = hidden.T - hidden.T.mean(1, keepdims=True)
    if hidden.shape[0] < 3:
        return np.argsort(hidden[-1], kind="stable")
    left, strength, _ = np.linalg.svd(curves, full_matrices=False)
    plane = left[:, :2] * strength[:2]
    return np.argsort(np.arctan2(plane[:, 1], plane[:, 0]), kind="stable")


@dataclass(frozen=True)
class GateTerms:
    """One row of numbers of one step that add up: from_input + from_state + bias = total, and squash(total) = value."""

    name: str  # of the gate, or "h" for the plain cell
    activation: str  # "tanh" or "sigmoid"
    from_input: float
    from_state: float
    bias: float
    total: float
    value: float


GATES = {"rnn": ("h",), "lstm": ("i", "f", "g", "o"), "gru": ("r", "z", "n")}  # in the order of the weights' rows
ACTIVATION = {"h": "tanh", "g": "tanh", "n": "tanh"}


def gate_terms(name: str, cell: Cell, found: Trace, step: int, unit: int) -> list[GateTerms]:
    """How one unit came to its value at one step, gate by gate; ``name`` is the cell's name in CELLS.

    The GRU's reset gate acts inside n: there ``from_state`` is what r lets through, r * (W_hn h + b_hn), and ``bias``
    is the input's alone.
    """
    rows, size = [], cell.hidden_size
    for place, gate in enumerate(GATES[name]):
        at = place * size + unit
        from_input, from_state = float(found.from_input[step, at]), float(found.from_state[step, at])
        bias = float(found.bias[at])
        if gate == "n":
            bias = cell.bias_ih[at].item()
            from_state = float(found.activations["r"][step, unit]) * (from_state + cell.bias_hh[at].item())
        total = from_input + from_state + bias
        activation = ACTIVATION.get(gate, "sigmoid")
        rows.append(
            GateTerms(gate, activation, from_input, from_state, bias, total, float(found.activations[gate][step, unit]))
        )
    return rows
