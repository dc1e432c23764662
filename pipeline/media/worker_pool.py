"""Workers (sandbox/worker.py): processes that decode one file each, started before there is a file.

They work on every system. A start takes half a second of processor time: the next one starts while a file is decoded.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import subprocess
from collections import deque
from io import BufferedReader
from typing import IO, Any, cast

from pipeline.media.child_start import missing_guards, start_options, start_problem
from pipeline.sandbox.child import FIRST_WORDS
from pipeline.sandbox.messages import PIPE_BYTES

MODULE = "pipeline.sandbox.worker"
AHEAD = 2  # workers that wait for a file
LOW_PRIORITY = getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0)  # of Windows; elsewhere a worker sets its own


class Worker:
    """A process that does one job."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            **start_options(MODULE),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=PIPE_BYTES,
            creationflags=LOW_PRIORITY,
            start_new_session=True,  # so that Ctrl-C reaches this process alone
        )
        self._words, self._has_job = b"", False
        _running.add(self)

    def send(self, job: dict[str, Any]) -> BufferedReader:
        """Give it its job; -> the pipe that it writes to. Raises OSError if it is gone."""
        self._has_job = True
        orders = cast("IO[bytes]", self._process.stdin)
        orders.write(json.dumps(job).encode() + b"\n")
        orders.flush()
        return cast("BufferedReader", self._process.stdout)

    def is_running(self) -> bool:
        return self._process.poll() is None

    def start_problem(self) -> str | None:
        """Why it could not start, if it could not. It is ended."""
        is_starting = self.is_running()
        self._process.kill()
        words = self._first_words()
        return None if is_starting and not words else start_problem(words)

    def missing_guards(self) -> list[str]:
        """What this system lacks to lock it. Waits until it is ready; raises OSError if it cannot start."""
        return missing_guards(self._first_words())

    def _first_words(self) -> bytes:
        if not self._words:
            self._words = cast("IO[bytes]", self._process.stderr).read(FIRST_WORDS)
        return self._words

    def has_begun(self) -> None:
        """It has sent its first message: others may start now, and will not delay it."""
        start_ahead()

    def give_back(self) -> None:
        """It has done its job, or was not given one."""
        if self._has_job:
            self.kill()
        else:
            _idle.append(self)

    def kill(self) -> None:
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):
                cast("IO[bytes]", stream).close()
        self._process.wait()
        _running.discard(self)


_idle: deque[Worker] = deque()  # in the order of their start
_running: set[Worker] = set()


@atexit.register
def end_all() -> None:
    """No worker outlives this process."""
    for worker in tuple(_running):
        worker.kill()


def take_worker() -> Worker:
    """A worker that was started ahead, or a new one. Raises OSError if none can be started."""
    with contextlib.suppress(IndexError):
        while True:
            worker = _idle.popleft()
            if worker.is_running():
                return worker
            worker.kill()
    return Worker()


def start_ahead() -> None:
    """Start workers until AHEAD of them wait."""
    with contextlib.suppress(OSError):  # the next job will say so
        while len(_idle) < AHEAD:
            _idle.append(Worker())
