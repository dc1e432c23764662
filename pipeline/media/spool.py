"""What arrives through a pipe is copied into a file first: a decoder reads its file more than once."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from pipeline.limits import MAX_MEGABYTES
from pipeline.sandbox.messages import MediaError

STANDARD_INPUT = frozenset({"-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"})
CHUNK = 1 << 20  # bytes

_copies: list[ExitStack] = []  # their folders are deleted when this process ends


def is_stream(path: str) -> bool:
    """Whether it can be read only once: standard input, a pipe or a device."""
    if path in STANDARD_INPUT:
        return True
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def spooled(path: str, name: str) -> Path:
    """A file with all that the stream holds, for as long as this process lives.

    Raises MediaError if it holds nothing, more than one file may, or cannot be copied.
    """
    most, size = MAX_MEGABYTES * 10**6, 0
    with ExitStack() as unless_kept:
        try:
            folder = unless_kept.enter_context(tempfile.TemporaryDirectory(prefix="unroll-"))
            copy = Path(folder) / "stream"
            with open_stream(path) as stream, copy.open("wb") as file:  # closed before another process opens it
                while chunk := stream.read(CHUNK):
                    size += file.write(chunk)
                    if size > most:
                        raise MediaError(f"{name} is too large; the limit is {MAX_MEGABYTES} MB.")
        except OSError as error:
            raise MediaError(f"{name} could not be read: {error.strerror or 'input/output error'}.") from error
        if size == 0:
            raise MediaError(f"{name} is empty.")
        _copies.append(unless_kept.pop_all())
    return copy


def open_stream(path: str) -> IO[bytes]:
    if path not in STANDARD_INPUT:
        return open(path, "rb")
    if sys.stdin is None:
        raise OSError(0, "it is closed")
    return open(0, "rb", closefd=False)
