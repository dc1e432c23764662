"""What the lock of a decoding process costs, and what a process for each file costs where there is no fork."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2

from benchmarks.clips import pictures, write_clip
from benchmarks.results import Result, ratio, result, side_by_side
from pipeline.media import decoder_process, read_clip, server_pool
from pipeline.media.server_pool import ForkServer

SECONDS = 20  # of the clip
PHOTOS = 20  # read one after the other
CLIPS = 10  # read one after the other

# A process of its own reads the first file, and then more of them; workers are ready before those.
READ_IN_A_ROW = """
import json, sys, time
from pipeline.media import read_clip, worker_pool
from pipeline.limits import DECODER
first, *paths = sys.argv[1:]
times = [time.perf_counter()]
read_clip(first)
times.append(time.perf_counter())
if DECODER == "spawn":
    worker_pool.start_ahead()
    for worker in worker_pool._idle:
        worker.missing_guards()
times.append(time.perf_counter())
for path in paths:
    read_clip(path)
times.append(time.perf_counter())
print(json.dumps([times[1] - times[0], times[3] - times[2]]))
"""


def measure(rounds: int) -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as folder:
        clip, photo = Path(folder) / "clip.mp4", Path(folder) / "photo.jpg"
        write_clip(clip, SECONDS)
        cv2.imwrite(str(photo), pictures()[0])
        yield from of_the_lock(clip, photo, rounds)
        yield from of_spawning(clip, photo, rounds)


def of_the_lock(clip: Path, photo: Path, rounds: int) -> Iterator[Result]:
    locked = ForkServer()
    server_pool.MODULE = "benchmarks.unlocked"
    unlocked = ForkServer()

    def reading(path: Path, count: int, server: ForkServer) -> Callable[[], None]:
        def read() -> None:
            decoder_process.take_decoder = lambda: server
            for _ in range(count):
                read_clip(path)

        return read

    seconds = side_by_side(
        {
            "photo, locked": reading(photo, PHOTOS, locked),
            "photo, unlocked": reading(photo, PHOTOS, unlocked),
            "clip, locked": reading(clip, 1, locked),
            "clip, unlocked": reading(clip, 1, unlocked),
        },
        rounds,
    )
    per_photo = [[1000 * s / PHOTOS for s in seconds[f"photo, {way}"]] for way in ("locked", "unlocked")]
    lock = statistics.median(per_photo[0]) - statistics.median(per_photo[1])
    yield result("photo_locked", per_photo[0], "ms", ratio(*per_photo), f"unlocked: {lock:.2f} ms less (<= 5)")
    clips = seconds["clip, locked"], seconds["clip, unlocked"]
    yield result("clip_locked", clips[0], "s", ratio(*clips), "unlocked (<= 1.02)")
    for server in (locked, unlocked):
        server.kill()


def of_spawning(clip: Path, photo: Path, rounds: int) -> Iterator[Result]:
    found: dict[str, list[list[float]]] = {"fork": [], "spawn": []}
    side_by_side({way: lambda way=way: found[way].append(in_a_row(way, clip, photo)) for way in found}, rounds)
    first, rest = ({way: [run[k] for run in runs] for way, runs in found.items()} for k in (0, 1))
    later = statistics.median(first["spawn"]) - statistics.median(first["fork"])
    against = f"forked: {later:.2f} s less (<= 0.6)"
    yield result("first_file_spawned", first["spawn"], "s", ratio(first["spawn"], first["fork"]), against)
    yield result("ten_clips_spawned", rest["spawn"], "s", ratio(rest["spawn"], rest["fork"]), "forked (<= 1.5)")


def in_a_row(way: str, clip: Path, photo: Path) -> list[float]:
    """Seconds for the first file, a photo, and for CLIPS clips."""
    command = [sys.executable, "-c", READ_IN_A_ROW, str(photo), *[str(clip)] * CLIPS]
    run = subprocess.run(command, env={**os.environ, "UNROLL_DECODER": way}, stdout=subprocess.PIPE, check=True)
    return json.loads(run.stdout)
