"""Where a visitor's file lies while it is read: a private folder under a name of ours, gone whatever ends the job."""

from __future__ import annotations

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
    """The bytes as a file that only this process's user can read. Nothing a visitor sent becomes part of its path."""
    sweep()
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-") as folder:
        path = Path(folder) / "upload"
        path.write_bytes(data)
        yield path


@cache
def sweep() -> None:
    """Once a process, before its first job: remove what processes that are gone have left."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        owner = folder.name.removeprefix(PREFIX).split("-")[0]
        if owner.isdigit() and (int(owner) == os.getpid() or not Path(f"/proc/{owner}").exists()):
            shutil.rmtree(folder, ignore_errors=True)


class ClipFile(NamedTuple):
    """A file to read: its bytes, what to call it, and the SHA-256 that it is known by."""

    data: bytes
    name: str
    digest: str

    def key(self, max_steps: int) -> str:
        """What its clip is known by, if so many steps were read at most."""
        return self.digest if max_steps == MAX_STEPS else f"{self.digest}-{max_steps}"
