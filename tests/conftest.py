"""Fixtures that all tests share."""

from __future__ import annotations

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
