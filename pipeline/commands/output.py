"""Where results go: standard output, or a file that is never one of the inputs nor somebody else's."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

STANDARD_OUTPUT = frozenset({"-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"})
PAGE_MARK = b'<script type="application/json" id="account">'  # in every page of the command explain

Write = Callable[[str], None]


class OutputError(Exception):
    """The output could not be written; the message is one sentence."""


def write_stdout(text: str) -> None:
    """Text with its line ends, at once. Raises OutputError, or BrokenPipeError if nobody reads it any more."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except (OSError, io.UnsupportedOperation) as error:
        raise OutputError(f"Standard output could not be written: {reason(error)}.") from error


def stdout_is_ascii() -> bool:
    """Whether standard output may not take every character."""
    return (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "") != "utf8"


@contextmanager
def appending(path: Path) -> Iterator[Write]:
    """Writes each text at the end of a file, whole or not at all. Raises OutputError."""
    if str(path) in STANDARD_OUTPUT:
        yield write_stdout
        return
    try:
        file = path.open("ab", buffering=0)
    except OSError as error:
        raise OutputError(f"{path} could not be opened: {reason(error)}.") from error
    with file:

        def write(text: str) -> None:
            data, begin = text.encode(errors="backslashreplace"), file.seek(0, os.SEEK_END) if file.seekable() else 0
            try:
                while data:
                    data = data[file.write(data) :]
            except BrokenPipeError:
                raise
            except OSError as error:
                if file.seekable():
                    with contextlib.suppress(OSError):
                        file.truncate(begin)
                raise OutputError(f"{path} could not be written: {reason(error)}.") from error

        yield write


def write_page(path: Path, text: str) -> None:
    """A whole file, in place of an older one only when it is complete. Raises OutputError."""
    if str(path) in STANDARD_OUTPUT:
        write_stdout(text)
        return
    data = text.encode(errors="backslashreplace")
    try:
        if path.exists() and not path.is_file():  # a pipe, or a device
            path.write_bytes(data)
            return
        target = Path(os.path.realpath(path))
        part = target.with_name(f".unroll-{os.getpid()}.part")
        try:
            part.write_bytes(data)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"{path} could not be written: {reason(error)}.") from error


def page_problem(path: Path, inputs: Iterable[str]) -> str | None:
    """Why a page must not be written there; None if it may."""
    if str(path) in STANDARD_OUTPUT:
        return None
    try:
        problem = is_input(path, inputs)
        if problem is None and path.is_dir():
            problem = f"{path} is a folder; the page needs the name of a file."
        elif problem is None and not path.parent.is_dir():
            problem = f"{path} could not be written: there is no such folder."
        elif problem is None and is_foreign(path):
            problem = f"{path} exists, and this command did not make it; nothing was written to it."
    except OSError as error:
        problem = f"{path} could not be opened: {reason(error)}."
    return problem


def is_foreign(path: Path) -> bool:
    """Whether a file is there that holds something else than a page of the command explain."""
    return path.is_file() and path.stat().st_size > 0 and PAGE_MARK not in path.read_bytes()


def is_input(path: Path, inputs: Iterable[str]) -> str | None:
    """A sentence if the output is one of the inputs, under whatever name."""
    try:
        output = os.stat(path)
    except OSError:
        return None
    if not stat.S_ISREG(output.st_mode):
        return None
    for name in inputs:
        with contextlib.suppress(OSError, ValueError):
            if os.path.samestat(output, os.stat(0) if name == "-" else os.stat(name)):
                return f"{path} is an input; the output needs another name."
    return None


def reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or (
        "it is closed" if isinstance(error, ValueError) else "input/output error"
    )
