"""A worker: it starts without a file, decodes one, and ends. It needs no fork, and no descriptor is passed to it.

    python -m pipeline.sandbox.worker

It says on standard error that it is ready, or why it cannot start (see child.first_words). Then it reads its job from
standard input, one line of JSON, and writes the messages to standard output. It ends when standard input is closed.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
from pathlib import Path

from pipeline.sandbox import child, lockdown
from pipeline.sandbox.opened_file import MediaFile, OpenedFile


def main() -> None:
    with contextlib.suppress(AttributeError):  # Windows: the parent has set the priority
        os.nice(child.NICENESS)
    pipe, complaints = moved_to_null(1), moved_to_null(2)
    words, is_ready = child.first_words(child.prepare)
    os.write(complaints, words)
    os.close(complaints)
    order = sys.stdin.buffer.readline() if is_ready else b""
    if not order:
        return
    try:
        job = json.loads(order)
        # A thread that began before the process is locked would not be locked.
        end = threading.Thread(target=end_with_input, daemon=True)
        child.do_job(job, opened(Path(job["path"])), pipe, on_lock=end.start)
    finally:
        os._exit(0)


def end_with_input() -> None:
    """End the process when the parent closes standard input, or has ended itself."""
    os.read(0, 1)
    os._exit(0)


def moved_to_null(stream: int) -> int:
    """Another descriptor of a standard stream; what is written to the old one vanishes."""
    moved = os.dup(stream)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream)
    os.close(null)
    return moved


def opened(path: Path) -> MediaFile:
    """The file, opened while this process still can; a folder, or on other systems than Linux a file, by its path."""
    if not lockdown.ON_LINUX or path.is_dir():
        return path
    return OpenedFile(os.open(path, os.O_RDONLY | os.O_NONBLOCK))


if __name__ == "__main__":
    main()
