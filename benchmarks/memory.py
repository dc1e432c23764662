"""Memory of a process and of its decoder processes."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

INTERVAL = 0.1  # seconds between measurements


class Memory(AbstractContextManager["Memory"]):
    """Resident megabytes of a process and of its decoding processes together, at recorded moments and at their peaks.

    The sum counts what a decoder shares with the fork server that forked it twice; it is an upper bound.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.peak = (0.0, 0.0)
        self.recorded: dict[str, tuple[float, float]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, raised: BaseException | None, at: TracebackType | None):
        self._ended.set()
        self._thread.join()

    def record(self, moment: str) -> None:
        self.recorded[moment] = self._now()

    def _watch(self) -> None:
        while not self._ended.wait(INTERVAL):
            self.peak = tuple(map(max, self.peak, self._now()))

    def _now(self) -> tuple[float, float]:
        return resident(self.pid), sum(resident(child) for child in descendants(self.pid) if decodes(child))


def resident(pid: int) -> float:
    """Resident megabytes; 0 if the process has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) * 1024 / 10**6 for line in lines if line.startswith("VmRSS:")), 0.0)


def decodes(pid: int) -> bool:
    """Whether it is a fork server or a decoder already: until it has begun its own program, a process has its parent's
    memory and would be counted with all of it."""
    try:
        return b"pipeline.sandbox.fork_server" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def descendants(pid: int) -> list[int]:
    """Children, their children, and so on."""
    processes = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in tasks.read_text().split()]
        except OSError:
            continue  # the thread or its process has just ended
        processes += [each for child in children for each in (child, *descendants(child))]
    return processes
