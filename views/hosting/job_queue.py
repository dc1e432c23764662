"""Whose turn it is: a few visitors' clips are read at once, the others wait in line, and nobody is passed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LOOK_AGAIN = 0.3  # seconds between looks at the line; each is also when a visitor who left is noticed


class QueueFullError(Exception):
    """As many are waiting already as may."""


class JobQueue:
    """``at_once`` jobs run, ``longest`` more may wait; first come, first served."""

    def __init__(self, at_once: int, longest: int) -> None:
        self.at_once, self.longest = at_once, longest
        self._line: list[object] = []  # those at work first, then those who wait
        self._moved = threading.Condition()

    @contextmanager
    def turn(self, waiting: Callable[[int], None]) -> Iterator[None]:
        """Wait for one's turn and keep it. ``waiting`` is told how many are before one, again and again; whatever it
        raises, because its visitor left or changed their mind, gives the place up. Raises QueueFullError."""
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
        """How many must finish first; waits a moment if there are any."""
        with self._moved:
            before = self._line.index(ticket) - self.at_once + 1
            if before > 0:
                self._moved.wait(LOOK_AGAIN)
            return max(0, self._line.index(ticket) - self.at_once + 1)
