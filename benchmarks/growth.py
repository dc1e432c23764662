"""Long clips: time grows with the number of sampled frames, memory does not grow.

Every length is read by a separate command.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

from benchmarks.clips import repeat_clip, write_clip
from benchmarks.memory import Memory
from benchmarks.results import Result, ratio, result
from pipeline.media.clip import ClipStream
from pipeline.media.reader import MAX_STEPS
from pipeline.sandbox.decode import decode, opened_pictures
from pipeline.sandbox.sampling import sample_frames

LENGTHS = {"10s": (10, 1), "1min": (20, 3), "10min": (20, 30), "60min": (20, 180)}  # seconds, repetitions
NO_LIMITS = {**os.environ, "UNROLL_MAX_MEGABYTES": "4000"}


def measure(rounds: int) -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as folder:
        clips = {name: clip(Path(folder), name, *length) for name, length in LENGTHS.items()}
        runs = {name: [command(path) for _ in repeat(None, rounds)] for name, path in clips.items()}
        (first, first_megabytes) = zip(*runs["10s"], strict=True)
        for name, measured in runs.items():
            seconds, megabytes = zip(*measured, strict=True)
            yield result(f"seconds_{name}_over_10s", seconds, "s", ratio(seconds, first), "10 s (as low as can be)")
            growth = ratio(megabytes, first_megabytes)
            yield result(f"memory_{name}_over_10s", megabytes, "MB", growth, "10 s (at most 1.10)")
        yield from key_frames(clips["10min"])


def clip(folder: Path, name: str, seconds: int, times: int) -> Path:
    once, path = folder / f"{seconds}.mp4", folder / f"{name}.mp4"
    if not once.exists():
        write_clip(once, seconds)
    repeat_clip(once, path, times)
    return path


def command(path: Path) -> tuple[float, float]:
    """Seconds of one command, and its peak memory in megabytes, decoders included."""
    started = time.perf_counter()
    line = [sys.executable, "-m", "pipeline", "action", str(path), "--json"]
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, env=NO_LIMITS)
    with Memory(process.pid) as memory:
        if process.wait():
            raise RuntimeError(f"{path.name} was not read.")
    return time.perf_counter() - started, sum(memory.peak)


def key_frames(path: Path) -> Iterator[Result]:
    """One run only, because decoding every picture of ten minutes takes long."""
    started = time.perf_counter()
    with opened_pictures(path, "clip") as (reader, _):
        list(sample_frames(reader, "clip", MAX_STEPS, None))
    every = time.perf_counter() - started
    started = time.perf_counter()
    ClipStream(decode(path, MAX_STEPS, "clip")).clip()
    fast = time.perf_counter() - started
    yield result("key_frames_over_every_picture", [fast], "s", every / fast, f"{every:.1f} s for 10 minutes")
