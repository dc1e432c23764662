"""An untrusted file becomes frames: RGB uint8 images with their true times, evenly spread over the clip.

Nothing a stranger sent is decoded in this process. A file that is not too large is opened by a child process
(pipeline/sandbox.py) with limits on memory and time, as one of the containers and codecs that footage.py lets in, and
its frames come back through a pipe. A child that crashes, hangs or blows up is a MediaError here, and nothing else
notices.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from pipeline.clip import Clip, Frame, MediaError
from pipeline.limits import MAX_MEGABYTES
from pipeline.sandbox import decoded

__all__ = ["MAX_STEPS", "Clip", "Frame", "MediaError", "read_clip"]

MAX_STEPS = 24  # frames kept of one clip: between 13 and 24 for anything longer than 4.8 s


def read_clip(
    path: str | os.PathLike[str],
    max_steps: int = MAX_STEPS,
    name: str | None = None,
    tick: Callable[[], None] = lambda: None,
) -> Clip:
    """Read a video, a photo or a folder of images (in name order) as a clip of at most ``max_steps`` frames.

    ``name`` is what error messages call the file, if not by its own name. ``tick`` is called a few times a second
    meanwhile; what it raises ends the work. Raises MediaError if the file holds no picture that can be read.
    """
    path = Path(path)
    name = name or path.name or str(path)
    try:
        if not path.exists():
            raise MediaError(f"{name}: there is no such file.")
        if not path.is_dir():
            _check_file(path, name)
    except OSError as error:
        raise MediaError(f"{name} could not be opened: {error.strerror or 'input/output error'}.") from error
    return decoded(path.absolute(), max_steps, name, tick)


def _check_file(path: Path, name: str) -> None:
    if not path.is_file():
        raise MediaError(f"{name} is neither a file nor a folder.")
    size = path.stat().st_size
    if size == 0:
        raise MediaError(f"{name} is empty.")
    if size > MAX_MEGABYTES * 10**6:
        raise MediaError(f"{name} is too large: {size / 10**6:.0f} MB; the limit is {MAX_MEGABYTES} MB.")
