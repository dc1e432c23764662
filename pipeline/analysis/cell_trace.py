"""Inside a recurrent cell: all values of h_t = f_W(h_{t-1}, x_t) on a clip, and how long the cell remembers.

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
    """All values of a cell on one clip. ``activations`` holds each gate, the cell state c and the state h, each (T, H).

    For the plain cell, tanh is applied to the sum of ``from_input`` (W_xh x_t), ``from_state`` (W_hh h_{t-1}) and
    ``bias``. The gated cells have one such slice for each gate, (T, gates * H).
    """

    activations: dict[str, np.ndarray]
    from_input: np.ndarray
    from_state: np.ndarray
    bias: np.ndarray  # (gates * H,)


@torch.inference_mode()
def trace(cell: Cell, x: Tensor) -> Trace:
    """All values of the cell at every step of x, (T, D)."""
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
    """How much the last state depends on each input: the Frobenius norm of dh_T / dx_t for every t, (T,). x is (T, D).

    This is the measure of long-term dependence (Bengio et al. 1994, Pascanu et al. 2013): the cell has forgotten the
    inputs for which it is near zero.
    """
    x = x.detach().clone().requires_grad_()
    hidden, _ = cell.scan(x[None])
    every_unit = torch.eye(cell.hidden_size)
    (jacobian,) = torch.autograd.grad(hidden[0, -1], x, every_unit, is_grads_batched=True)  # (H, T, D)
    return jacobian.pow(2).sum((0, 2)).sqrt().detach().numpy()


def unit_contributions(readout: torch.nn.Linear, hidden: np.ndarray, label: int) -> np.ndarray:
    """Each unit's contribution to a label's score: its weight in the readout times its value, (T, H)."""
    return hidden * readout.weight[label].detach().numpy()


def unit_order(hidden: np.ndarray) -> np.ndarray:
    """An order of the units (H,) that puts units with similar curves side by side: by the angle in the plane of the two
    strongest principal components of their curves (T, H)."""
    curves = hidden.T - hidden.T.mean(1, keepdims=True)
    if hidden.shape[0] < 3:
        return np.argsort(hidden[-1], kind="stable")
    left, strength, _ = np.linalg.svd(curves, full_matrices=False)
    plane = left[:, :2] * strength[:2]
    return np.argsort(np.arctan2(plane[:, 1], plane[:, 0]), kind="stable")


@dataclass(frozen=True)
class GateTerms:
    """One gate of one unit at one step: from_input + from_state + bias = total, activation(total) = value."""

    name: str  # of the gate, or "h" for the plain cell
    activation: str  # "tanh" or "sigmoid"
    from_input: float
    from_state: float
    bias: float
    total: float
    value: float


TANH_GATES = frozenset("hgn")  # the others are sigmoids


def gate_terms(cell: Cell, traced: Trace, step: int, unit: int) -> list[GateTerms]:
    """The terms of every gate of one unit at one step.

    The GRU's reset gate r acts inside n. There ``from_state`` is r * (W_hn h + b_hn), and ``bias`` is that of the input
    alone.
    """
    rows, size = [], cell.hidden_size
    for place, gate in enumerate(cell.gate_names):
        at = place * size + unit
        from_input, from_state = float(traced.from_input[step, at]), float(traced.from_state[step, at])
        bias = float(traced.bias[at])
        if gate == "n":
            bias = cell.bias_ih[at].item()
            from_state = float(traced.activations["r"][step, unit]) * (from_state + cell.bias_hh[at].item())
        total = from_input + from_state + bias
        activation = "tanh" if gate in TANH_GATES else "sigmoid"
        value = float(traced.activations[gate][step, unit])
        rows.append(GateTerms(gate, activation, from_input, from_state, bias, total, value))
    return rows
