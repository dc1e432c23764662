"""Which engine runs a network. That the engines agree is tested with the encoder."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from pipeline import limits
from pipeline.models import engines
from pipeline.models.backbones import tuned_lite0
from pipeline.models.encoder import Encoder
from pipeline.models.engines import Engine, best_engine, candidates, fastest, run_by_best_engine


class Machine:
    """A machine with engines of its own and a clock that only their runs move."""

    def __init__(self, monkeypatch, bf16: bool = True, amx: bool = False, gpu: bool = False) -> None:
        self.now, self.built, self.runs = 0.0, [], []
        self.seconds = {"openvino": 0.04, "openvino-bf16": 0.07, "torch": 0.5}
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
        monkeypatch.setattr(engines, "supports_bf16", lambda: bf16)
        monkeypatch.setattr(engines, "has_amx", lambda: amx)
        monkeypatch.setattr(engines, "ENGINE", None)
        monkeypatch.setattr(engines, "_measured", [])
        monkeypatch.setattr(engines, "openvino_engines", lambda backbone, names: {n: self.engine(n) for n in names})
        monkeypatch.setattr(engines, "ENGINES", {n: lambda backbone, n=n: self.engine(n) for n in self.seconds})
        monkeypatch.setattr(engines, "fastest", lambda built: fastest(built, lambda: self.now))

    def engine(self, name: str) -> Engine:
        self.built.append(name)

        def run(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            self.runs.append(name)
            self.now += self.seconds[name] * (5 if self.runs.count(name) == 1 else 1)  # the first run is slow
            return np.zeros((len(images), 1)), np.zeros((len(images), 1, 1))

        return run


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        ({"gpu": True}, ("torch",)),
        ({"bf16": False}, ("openvino",)),
        ({"amx": True}, ("openvino-bf16",)),
        ({}, ("openvino", "openvino-bf16")),
    ],
)
def test_the_candidates_follow_from_the_machine(monkeypatch, machine, expected):
    Machine(monkeypatch, **machine)
    assert candidates() == expected


@pytest.mark.parametrize("best", ["openvino", "openvino-bf16"])
def test_the_faster_engine_is_chosen_once(monkeypatch, best):
    machine = Machine(monkeypatch)
    machine.seconds[best] = 0.02
    name, run = run_by_best_engine(nn.Identity())
    assert name == best == best_engine()
    assert set(machine.built) == set(machine.runs) == {"openvino", "openvino-bf16"}
    assert machine.now < 0.9  # the first runs, and a quarter of a second
    machine.built.clear()
    timed = len(machine.runs)
    assert run_by_best_engine(nn.Identity())[0] == best
    assert machine.built == [best]
    assert len(machine.runs) == timed
    run(np.zeros((1, 8, 8, 3), np.uint8))
    assert machine.runs[-1] == best


def test_the_first_run_of_an_engine_does_not_count(monkeypatch):
    machine = Machine(monkeypatch)
    machine.seconds |= {"openvino": 0.5, "openvino-bf16": 0.4}
    once = iter([3.0, 0.0])  # something else delays one run
    slow = machine.engine("openvino-bf16")

    def delayed(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        machine.now += next(once, 0.0)
        return slow(images)

    built = {"openvino": machine.engine("openvino"), "openvino-bf16": delayed}
    assert fastest(built, lambda: machine.now) == "openvino-bf16"


@pytest.mark.parametrize("name", ["torch", "openvino", "openvino-bf16"])
@pytest.mark.parametrize("gpu", [True, False])
def test_an_engine_that_is_named_is_obeyed_and_nothing_is_timed(monkeypatch, name, gpu):
    machine = Machine(monkeypatch, gpu=gpu)
    monkeypatch.setenv("UNROLL_ENGINE", name)
    monkeypatch.setattr(engines, "ENGINE", limits.named_engine())
    assert Encoder(nn.Identity()).engine == name == best_engine()
    assert (machine.built, machine.runs) == ([name], [])


def test_an_unknown_engine_is_refused_in_one_sentence(monkeypatch):
    monkeypatch.setenv("UNROLL_ENGINE", "abacus")
    with pytest.raises(ValueError, match=r"^UNROLL_ENGINE must be one of .*torch, not 'abacus'\.$"):
        limits.named_engine()
    monkeypatch.delenv("UNROLL_ENGINE")
    assert limits.named_engine() is None


def test_engines_of_one_conversion_are_those_of_two(bikes):
    """Timing several engines leaves one that answers like an engine made alone, for both canvases."""
    backbone, names = tuned_lite0().eval(), ("openvino", "openvino-bf16")
    together, alone = engines.openvino_engines(backbone, names), engines.openvino_engine(backbone)
    for size in (engines.WIDE, engines.WIDE[::-1]):
        images = np.random.default_rng(1).integers(0, 256, (2, *size, 3), dtype=np.uint8)
        together["openvino-bf16"](images)
        for mine, expected in zip(together["openvino"](images), alone(images), strict=True):
            np.testing.assert_allclose(mine, expected, atol=1e-4)
