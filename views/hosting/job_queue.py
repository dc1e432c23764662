"""First-come, first-served job queue with a limit on running and on waiting jobs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipeline.limits import limit

JOBS_AT_ONCE = limit("JOBS_AT_ONCE", 2)  # clips that are read at the same time
MAX_QUEUE = limit("LONGEST_LINE", 20)  # jobs that may wait behind them
CHECK_INTERVAL = 0.3  # seconds between checks of the queue; a check also notices a visitor who has left


class QueueFullError(Exception):
    """The queue holds as many jobs as it may."""


class JobQueue:
    """``at_once`` jobs run, ``longest`` more may wait; first come, first served."""

    def __init__(self, at_once: int, longest: int) -> None:
        self.at_once, self.longest = at_once, longest
        self._line: list[object] = []  # running jobs first, then waiting jobs
        self._moved = threading.Condition()

    @contextmanager
    def turn(self, waiting: Callable[[int], None]) -> Iterator[None]:
        """Wait for a place among the running jobs, and hold it.

        While the job waits, ``waiting`` is called repeatedly with the number of jobs before it. An exception from it
        (the visitor has left) gives up the place. Raises QueueFullError.
        """
        ticket = object()
        with self._moved:
            if len(self._line) >= self.at_once + self.longest:
                raise QueueFullError
            self._line.append(ticket)
        try:
            while (before := self._before(ticket)) > 0:
                waiting(before)
            yield
        finally:
            with self._moved:
                self._line.remove(ticket)
                self._moved.notify_all()

    def _before(self, ticket: object) -> int:
        """The number of jobs that must finish first; waits a moment if there are any."""
        with self._moved:
            before = self._line.index(ticket) - self.at_once + 1
            if before > 0:
                self._moved.wait(CHECK_INTERVAL)
            return max(0, self._line.index(ticket) - self.at_once + 1)
