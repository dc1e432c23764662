"""How a file to decode is given: as a path, or as a descriptor where no path can be opened any more (lockdown.py)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO


@dataclass(frozen=True)
class OpenedFile:
    """A regular file that was opened for reading before this process gave up the right to open files.

    All that read it share one position in it, so only one may read it at a time. Linux only.
    """

    descriptor: int


MediaFile = Path | OpenedFile


def open_binary(file: MediaFile) -> BinaryIO:
    """The file from its beginning. Raises OSError."""
    if isinstance(file, Path):
        return file.open("rb")
    stream = os.fdopen(os.dup(file.descriptor), "rb")
    stream.seek(0)
    return stream


def first_bytes(file: MediaFile, count: int) -> bytes:
    """Its first bytes; the position of whoever reads the file now stays where it is. Raises OSError."""
    if isinstance(file, OpenedFile):
        return os.pread(file.descriptor, count, 0)
    with file.open("rb") as stream:
        return stream.read(count)


def for_ffmpeg(file: MediaFile) -> tuple[str, dict[str, str]]:
    """The name under which OpenCV and PyAV open the file from its beginning, and FFmpeg's options for it.

    The protocol that reads it is the only one allowed. The protocol ``fd`` reads a descriptor, and opens nothing.
    """
    if isinstance(file, OpenedFile):
        os.lseek(file.descriptor, 0, os.SEEK_SET)
        return "fd:", {"fd": str(file.descriptor), "protocol_whitelist": "fd"}
    return str(file), {"protocol_whitelist": "file"}
