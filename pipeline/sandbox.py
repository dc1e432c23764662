"""Decoding in a child process, so that a file that breaks the decoder breaks nothing else.

    parent                            nursery                          child
    decoded(path) ── job, pipe ─────▶ forks ─────────────────────────▶ limits itself, decodes, writes frames, ends
                  ◀──────────────────────────────────── pipe ──────────┘

The nursery is a process without secrets in its environment that has imported what decoding needs, so that a fresh
child costs milliseconds: one for every file, ended with it. All it says comes through its pipe: one line of JSON, then
the pictures' bytes. The parent believes none of it: sizes are checked before memory is taken, and a child that says
nothing sensible in time is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from pipeline.clip import Clip, Frame, MediaError
from pipeline.limits import DECODER_CPU_SECONDS, DECODER_MEGABYTES, DECODER_SECONDS

ROOT = Path(__file__).resolve().parents[1]
LONGEST_HEADER = 200_000  # bytes of JSON that announce a clip
LARGEST_PICTURE = 360 * 4 * 360 * 3  # bytes: footage.KEPT_SIDE by four times as much
PIPE_BYTES = 1 << 20
TICK = 0.2  # seconds
KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV")  # no child needs more


# ── In the parent ────────────────────────────────────────────────────────────────────────────────────────────────


class Nursery:
    """A process that forks a child for each job; one job at a time."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        kept |= {name: value for name, value in os.environ.items() if name.startswith("UNROLL_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.sandbox", str(theirs.fileno())],
            cwd=ROOT,
            env={**kept, "OPENBLAS_NUM_THREADS": "1"},
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # so that it and its child can be killed together
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        theirs.close()

    def send(self, job: dict[str, Any]) -> IO[bytes]:
        """Start a child; -> the pipe that it writes to. Raises OSError if the nursery is gone."""
        readable, writable = os.pipe()
        try:
            socket.send_fds(self._socket, [json.dumps(job).encode()], [writable])
        except OSError:
            os.close(readable)
            raise
        finally:
            os.close(writable)
        return os.fdopen(readable, "rb", PIPE_BYTES)

    def alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._socket.close()


_idle: queue.LifoQueue[Nursery] = queue.LifoQueue()


@contextlib.contextmanager
def _nursery() -> Iterator[Nursery]:
    """One that nobody else uses meanwhile; it is killed if anything goes wrong."""
    try:
        nursery = _idle.get_nowait()
        if not nursery.alive():
            nursery.kill()
            nursery = Nursery()
    except queue.Empty:
        nursery = Nursery()
    try:
        yield nursery
    except BaseException:
        nursery.kill()
        raise
    _idle.put(nursery)


def decoded(path: Path, max_steps: int, name: str, tick: Callable[[], None] = lambda: None) -> Clip:
    """The file's frames, decoded by a child. Raises MediaError for whatever the child could not do.

    ``tick`` is called a few times a second while the child works; what it raises ends the child, and is raised here.
    """
    job = {"path": str(path), "max_steps": max_steps, "name": name}
    late = threading.Event()
    try:
        with _nursery() as nursery, _watched(nursery, late), nursery.send(job) as answer:
            while not select.select([answer], [], [], TICK)[0]:
                tick()
            found = _received(answer, max_steps)
    except (_Broken, OSError) as error:
        if late.is_set():
            raise MediaError(f"{name} takes longer to decode than {DECODER_SECONDS} s.") from error
        raise MediaError(f"{name} could not be decoded: it is damaged, or not what it seems.") from error
    if isinstance(found, str):
        raise MediaError(found)
    return found


@contextlib.contextmanager
def _watched(nursery: Nursery, late: threading.Event) -> Iterator[None]:
    """Whoever takes too long is killed, and its pipe ends."""

    def stop() -> None:
        late.set()
        nursery.kill()

    watchdog = threading.Timer(DECODER_SECONDS, stop)
    watchdog.daemon = True
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()


class _Broken(Exception):
    """What came through the pipe is not a clip."""


def _received(answer: IO[bytes], max_steps: int) -> Clip | str:
    """A clip, or the sentence why there is none."""
    try:
        told = json.loads(answer.readline(LONGEST_HEADER))
        if "error" in told:
            return str(told["error"]).replace("\n", " ")
        if not 1 <= len(told["frames"]) <= max_steps:
            raise _Broken
        frames = tuple(_frame(answer, index, *each) for index, each in enumerate(told["frames"]))
        size = int(told["width"]), int(told["height"])
        return Clip(told["kind"], frames, float(told["duration"]), *size, told["mime"])
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise _Broken from error


def _frame(answer: IO[bytes], index: int, time: float, height: int, width: int, moves: bool) -> Frame:
    image = _picture(answer, height, width)
    return Frame(index, float(time), image, _picture(answer, height, width) if moves else None)


def _picture(answer: IO[bytes], height: int, width: int) -> np.ndarray:
    if min(height, width) < 1 or height * width * 3 > LARGEST_PICTURE:
        raise _Broken
    picture = np.empty((height, width, 3), np.uint8)
    if answer.readinto(memoryview(picture).cast("B")) != picture.size:
        raise _Broken
    return picture


# ── In the nursery and its children ──────────────────────────────────────────────────────────────────────────────


def main() -> None:
    import pipeline.footage  # noqa: F401  here, once, so that no child has to

    with socket.socket(fileno=int(sys.argv[1])) as orders:
        while True:
            job, descriptors, *_ = socket.recv_fds(orders, 1 << 16, 1)
            if not descriptors:
                return  # the parent is gone
            pid = os.fork()
            if pid == 0:
                orders.close()
                _child(json.loads(job), descriptors[0])
            os.close(descriptors[0])
            os.waitpid(pid, 0)


def _child(job: dict[str, Any], descriptor: int) -> None:
    """Do one job and end, whatever happens."""
    try:
        megabytes = DECODER_MEGABYTES * 10**6
        resource.setrlimit(resource.RLIMIT_DATA, (megabytes, megabytes))
        resource.setrlimit(resource.RLIMIT_CPU, (DECODER_CPU_SECONDS, DECODER_CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # it has nothing to write
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with os.fdopen(descriptor, "wb", PIPE_BYTES) as answer:
            _answer(job, answer)
    finally:
        os._exit(0)


def _answer(job: dict[str, Any], answer: IO[bytes]) -> None:
    from pipeline.footage import decode

    try:
        clip = decode(Path(job["path"]), job["max_steps"], job["name"])
    except MediaError as error:
        answer.write(json.dumps({"error": str(error)}).encode())
        return
    told = {"kind": clip.kind, "duration": clip.duration, "width": clip.width, "height": clip.height, "mime": clip.mime}
    told["frames"] = [[f.time, *f.image.shape[:2], f.later is not None] for f in clip.frames]
    answer.write(json.dumps(told).encode() + b"\n")
    for frame in clip.frames:
        for picture in (frame.image, frame.later):
            if picture is not None:
                answer.write(np.ascontiguousarray(picture).data)


if __name__ == "__main__":
    main()
