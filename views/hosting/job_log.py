"""One line of JSON for every job, for the host: its cost and how it ended, without anything that a visitor wrote."""

from __future__ import annotations

import json
import logging
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.sandbox.messages import MediaError

log = logging.getLogger("unroll.jobs")
if not log.handlers:
    log.addHandler(logging.StreamHandler(sys.stderr))
    log.setLevel(logging.INFO)
    log.propagate = False


_counts: Counter[tuple[str, str]] = Counter()


def count_opinion(label: str, opinion: str) -> None:
    """Logs how often visitors said this of an answer with this label, since the start. Nothing else is known of it."""
    _counts[label, opinion] += 1
    log.info(json.dumps({"opinion": opinion, "label": label, "count": _counts[label, opinion]}))


class Job:
    """The log entry of one job; ``stage`` ends the stage before and starts another."""

    def __init__(self, size: int) -> None:
        self.notes: dict[str, object] = {"job": secrets.token_hex(4), "bytes": size}
        self._stage, self._since = "", time.perf_counter()

    def stage(self, name: str) -> None:
        now = time.perf_counter()
        if self._stage:
            self.notes[f"{self._stage}_s"] = round(now - self._since, 3)
        self._stage, self._since = name, now


@contextmanager
def job(size: int) -> Iterator[Job]:
    """Logs the job when it ends: read, refused (the file's fault), stopped (the visitor left) or failed (ours)."""
    noted, outcome = Job(size), "stopped"
    try:
        yield noted
        outcome = "read"
    except MediaError:
        outcome = "refused"
        raise
    except Exception:
        outcome = "failed"
        raise
    finally:
        noted.stage("")
        log.info(json.dumps({**noted.notes, "outcome": outcome}))
