"""A visitor's file on disk while it is decoded: in a private folder, which is deleted however the job ends."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pipeline.media.reader import MAX_STEPS

PREFIX = "unroll-"  # then the number of the process that it belongs to


@contextmanager
def private_file(data: bytes) -> Iterator[Path]:
    """The bytes as a file that only the user of this process can read. Its path contains nothing from the visitor."""
    sweep()
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-") as folder:
        path = Path(folder) / "upload"
        path.write_bytes(data)
        yield path


@cache
def sweep() -> None:
    """Remove the folders of processes that have ended. Runs once a process, before its first job."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        owner = folder.name.removeprefix(PREFIX).split("-")[0]
        if owner.isdigit() and (int(owner) == os.getpid() or not may_run(int(owner))):
            shutil.rmtree(folder, ignore_errors=True)


def may_run(process: int) -> bool:
    """Whether the process may still run. On Windows always: there asking would end it."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # it is another user's
    return True


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class ClipFile(NamedTuple):
    """A file to read: its bytes, its name for messages, and its SHA-256."""

    data: bytes
    name: str
    digest: str

    def key(self, max_steps: int) -> str:
        """The key of its clip, read with at most so many steps."""
        return self.digest if max_steps == MAX_STEPS else f"{self.digest}-{max_steps}"
