"""Fixtures that all tests share."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.models.action import ActionModel, load_action
from pipeline.models.encoder import Encoder, load_encoder
from tests.sample_media import ISCC, SAMPLES, write_clip


@pytest.fixture(scope="session")
def bikes() -> Path:
    return SAMPLES / "bikes.mp4"


@pytest.fixture(scope="session")
def concert() -> Path:
    """A minute of a band on a stage; iscc-samples has it in twenty containers."""
    return ISCC / "video" / "demo.mp4"


@pytest.fixture(scope="session")
def cat() -> Path:
    return ISCC / "image" / "demo.jpg"


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return load_encoder()


@pytest.fixture(scope="session")
def lstm() -> ActionModel:
    return load_action("lstm")


@pytest.fixture
def hesitating(monkeypatch) -> None:
    """Every recogniser says "working out" as a sum: two finer labels are likely, and neither reaches the threshold."""
    step = ActionModel.step

    def hesitate(self, frame, state):
        found, state = step(self, frame, state)
        row = np.full(len(self.labels), 0.1 / (len(self.labels) - 3), np.float32)
        row[[self.labels.index(label) for label in ("doing squats", "doing lunges", "dancing")]] = 0.33, 0.3, 0.27
        return dataclasses.replace(found, probabilities=row), state

    monkeypatch.setattr(ActionModel, "step", hesitate)


@pytest.fixture
def make_clip(tmp_path: Path) -> Callable[..., Path]:
    """make_clip(pictures, rate=10, name="clip.avi") writes (H, W, 3) uint8 RGB pictures, losslessly enough."""

    def make(pictures: list[np.ndarray], rate: float = 10, name: str = "clip.avi") -> Path:
        write_clip(tmp_path / name, pictures, rate)
        return tmp_path / name

    return make


@pytest.fixture(scope="session")
def slow_clip(tmp_path_factory) -> Path:
    """A clip that takes a decoder several seconds, in some fifty megabytes."""
    ramp = np.linspace(0, 255, 1920).astype(np.uint8)
    pictures = [np.tile(np.roll(ramp, 40 * k)[None, :, None], (1080, 1, 3)) for k in range(20)]
    path = tmp_path_factory.mktemp("slow") / "clip.avi"
    write_clip(path, pictures * 60, 10)
    return path
