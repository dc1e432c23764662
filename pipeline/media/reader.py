"""An untrusted file becomes frames: RGB uint8 images with their true times, spread over the clip.

No untrusted byte is decoded in this process. A child process (media/decoder_process.py) opens a file that is not too
large, with limits on memory and time, if sandbox/formats.py allows its container and codec, and its frames come back
through a pipe. A child that crashes or hangs is a MediaError here and affects nothing else.
"""

from __future__ import annotations

import os
from pathlib import Path

from pipeline.limits import MAX_MEGABYTES
from pipeline.media.clip import Clip, ClipStream
from pipeline.media.decoder_process import OnWait, ignore_wait, make_browser_copy, start_decoding
from pipeline.media.spool import STANDARD_INPUT, is_stream, spooled
from pipeline.sandbox.messages import Frame, MediaError, printable
from pipeline.sandbox.sampling import BURST

__all__ = ["MAX_STEPS", "Clip", "ClipStream", "Frame", "MediaError", "browser_copy", "open_clip", "read_clip"]

MAX_STEPS = 64  # frames of a clip: between 33 and 64 for clips longer than 12.8 s


def open_clip(
    path: str | os.PathLike[str], max_steps: int = MAX_STEPS, name: str | None = None, on_wait: OnWait = ignore_wait
) -> ClipStream:
    """Begin to read a video, a photo or a folder of images (in natural order of their names) as a clip of at most
    ``max_steps`` frames, BURST or more. ``-`` is standard input. sandbox/sampling.py chooses the frames of a video.

    ``name`` is what error messages call the file, if not by its own name. ``on_wait`` is called about five times a
    second while the caller waits for a frame. An exception from it cancels decoding. Raises MediaError, here or while
    frames are taken, if the file holds no picture that can be read, and ValueError for too few steps.
    """
    if max_steps < BURST:
        raise ValueError(f"A clip needs room for {BURST} frames or more, not {max_steps}.")
    path, name = _checked(path, name)
    return start_decoding(path, max_steps, name, on_wait)


def read_clip(path: str | os.PathLike[str], max_steps: int = MAX_STEPS, name: str | None = None) -> Clip:
    """The whole clip at once; see open_clip()."""
    return open_clip(path, max_steps, name).clip()


def browser_copy(path: str | os.PathLike[str], name: str | None = None, on_wait: OnWait = ignore_wait) -> bytes:
    """A video as mp4 that every browser plays, small and silent (pipeline/sandbox/browser_copy.py); see open_clip()."""
    path, name = _checked(path, name)
    return make_browser_copy(path, name, on_wait)


def _checked(given: str | os.PathLike[str], name: str | None) -> tuple[Path, str]:
    """The absolute path of a file of a size that is read, or of a folder, and the name to show. Raises MediaError."""
    path = Path(given)
    is_standard_input = str(path) in STANDARD_INPUT
    name = printable(name or ("standard input" if is_standard_input else path.name or str(path)))
    if is_stream(str(path)):
        path = spooled(str(path), name)
    try:
        if not path.exists():
            raise MediaError(f"{name}: there is no such file.")
        if not path.is_dir() and not path.is_file():
            raise MediaError(f"{name} is neither a file nor a folder.")
        size = path.stat().st_size if path.is_file() else 1
        if path.is_file():
            path.open("rb").close()  # if it may not be read, that is said before a decoder is started
    except OSError as error:
        raise MediaError(f"{name} could not be opened: {error.strerror or 'input/output error'}.") from error
    if size == 0:
        raise MediaError(f"{name} is empty.")
    if size > MAX_MEGABYTES * 10**6:
        raise MediaError(f"{name} is too large: {size / 10**6:.0f} MB; the limit is {MAX_MEGABYTES} MB.")
    return path.absolute(), name
