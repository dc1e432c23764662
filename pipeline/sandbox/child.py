"""A decoding process: one file, one job. Forked (fork_server.py) or started by itself (worker.py), it does the same."""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Callable, Iterable
from importlib import import_module
from io import BufferedWriter, FileIO
from pathlib import Path
from pkgutil import walk_packages
from typing import TYPE_CHECKING, Any

from pipeline.sandbox import lockdown
from pipeline.sandbox.opened_file import MediaFile, OpenedFile

if TYPE_CHECKING:
    from pipeline.sandbox.messages import Message

READY = b"ready"
FIRST_WORDS = 2000  # bytes of the sentence why a process cannot start
ENCODINGS = "ascii latin-1 utf-8 utf-16 utf-16-le utf-16-be utf-32 cp1252".split()  # of texts in metadata
NICENESS = 10  # the CNN goes first: its threads wait for each other, so one delayed thread delays them all


def prepare() -> None:
    """Import all that jobs need, because a locked process can import nothing, and drop the rights that no job needs."""
    # OpenCV must log FFmpeg's errors: only there it says that a conversion failed (see opencv_reader.ConversionLog).
    os.environ.pop("OPENCV_FFMPEG_LOGLEVEL", None)
    import av
    from PIL import Image, ImageCms  # noqa: F401

    import pipeline.sandbox.browser_copy
    import pipeline.sandbox.decode  # noqa: F401

    Image.init()  # Pillow's formats are modules; PyAV imports others when it meets a stream of their kind
    for module in walk_packages(av.__path__, "av."):
        if module.name not in ("av.__main__", "av.datasets"):
            import_module(module.name)
    for encoding in ENCODINGS:
        codecs.lookup(encoding)
    lockdown.drop_spare_rights()


def first_words(prepare: Callable[[], None]) -> tuple[bytes, bool]:
    """Prepare; -> what to tell the parent, and whether the process is ready: READY with the guards that this system
    lacks, or a sentence why it cannot start."""
    try:
        prepare()
    except lockdown.SandboxError as error:
        words = str(error)
    except Exception as error:  # a package that is missing or broken, or a limit that is none
        words = f"{type(error).__name__}: {error}"
    else:
        return READY + json.dumps(lockdown.missing_guards()).encode() + b"\n", True
    return words.encode(errors="replace")[:FIRST_WORDS], False


def do_job(
    job: dict[str, Any], file: MediaFile, pipe: int, *kept: int, on_lock: Callable[[], None] = lambda: None
) -> None:
    """Lock this process, decode the file and write the messages into the pipe. ``kept`` descriptors stay open too.
    ``on_lock`` is called as soon as the process is locked."""
    from pipeline.sandbox import opencv_reader
    from pipeline.sandbox.messages import PIPE_BYTES, MediaError, write_message

    if lockdown.ON_LINUX:
        opened = (file.descriptor,) if isinstance(file, OpenedFile) else ()
        lockdown.close_all_but(pipe, *kept, *opened)
    if os.name == "posix":
        opencv_reader.log = opencv_reader.ConversionLog()
    with BufferedWriter(FileIO(pipe, "wb"), PIPE_BYTES) as target:
        try:
            lock(file, job["name"])
            on_lock()
            for message in messages(job, file):
                write_message(target, message)
        except MediaError as error:
            write_message(target, error)


def lock(file: MediaFile, name: str) -> None:
    """Keep only the right to read the file. Raises MediaError if it cannot be opened, or the process not be locked."""
    from pipeline.sandbox.messages import MediaError

    try:
        lockdown.lock(file if isinstance(file, Path) and file.is_dir() else None)
    except OSError as error:
        raise MediaError(f"{name} could not be opened: {error.strerror or 'input/output error'}.") from error


def messages(job: dict[str, Any], file: MediaFile) -> Iterable[Message]:
    """What the file is, its frames and their end, or its copy for browsers."""
    from pipeline.sandbox.browser_copy import copy
    from pipeline.sandbox.decode import decode

    return [copy(file, job["name"])] if job["task"] == "copy" else decode(file, job["max_steps"], job["name"])
