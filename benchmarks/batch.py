"""Many clips in one command: the number of busy cores, without the time to start."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.clips import write_clip
from benchmarks.results import Result, result

CLIPS, FEW = 16, 2
SECONDS = 10  # of each clip


def measure(rounds: int) -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as folder:
        first = Path(folder) / "0.mp4"
        write_clip(first, SECONDS)
        for k in range(1, CLIPS):
            shutil.copy(first, Path(folder) / f"{k}.mp4")
        paths = sorted(Path(folder).iterdir())
        cores, rates = [], []
        for _ in range(rounds):
            few, many = command(paths[:FEW]), command(paths)  # both include the start, so the difference does not
            cores.append((many[1] - few[1]) / (many[0] - few[0]))
            rates.append(60 * (CLIPS - FEW) / (many[0] - few[0]))
    yield result("cores_busy_in_batch", cores, "cores", sorted(cores)[len(cores) // 2], "one core")
    yield result("clips_in_batch", rates, "clips/min", sorted(cores)[len(cores) // 2] / os.cpu_count(), "all the cores")


def command(paths: list[Path]) -> tuple[float, float]:
    """Wall-clock seconds, and processor seconds of all processes of the command."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    line = [sys.executable, "-m", "pipeline", "action", *map(str, paths), "--json"]
    subprocess.run(line, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - started, used
