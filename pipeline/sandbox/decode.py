"""A photo, a folder of images or a video, recognised by its content, becomes frames, in the process that asks."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

from pipeline.sandbox.key_frames import read_at_key_frames
from pipeline.sandbox.messages import Ended, Frame, MediaError, Opened
from pipeline.sandbox.photos import read_folder, read_photo
from pipeline.sandbox.sampling import level_for, sampled
from pipeline.sandbox.videos import browser_mime, claimed_seconds, codec, opened, size

REFERRED_TO = "avdiscard;nonref"  # FFmpeg then leaves out the pictures that no other one refers to
SPARSE = 2  # the level from which it matters little which of some neighbouring pictures a frame is


def decode(path: Path, max_steps: int, name: str) -> Generator[Opened | Frame | Ended, None, None]:
    """The file as a ClipStream takes it: what it is, at most ``max_steps`` frames that make the clip, and the end.

    Decodes in this very process: for files of strangers see media.read_clip. ``name`` is what error messages call the
    file. Raises MediaError if it holds no picture that can be read.
    """
    try:
        if path.is_dir():
            yield from read_folder(path, name, max_steps)
        else:
            yield from read_photo(path, name) or read_video(path, name, max_steps)
    except OSError as error:
        raise MediaError(f"{name} could not be opened: {error.strerror or 'input/output error'}.") from error
    except MemoryError as error:
        raise MediaError(f"{name} needs more memory to decode than there is for one file.") from error


def read_video(path: Path, name: str, max_steps: int) -> Iterator[Opened | Frame | Ended]:
    """At key frames if they are near enough to where frames are wanted; else picture by picture, without decoding those
    that no other picture refers to if frames are wanted 0.8 s apart or more."""
    with opened(path, name, REFERRED_TO) as capture:
        claimed = claimed_seconds(capture)
        yield Opened("video", *size(capture), browser_mime(path, codec(capture)), claimed)
        level = level_for(claimed, max_steps)
        if level is not None and level >= SPARSE:
            if (yield from read_at_key_frames(path, name, claimed, max_steps)):
                return
            right = yield from sampled(capture, name, max_steps, level)
            if right >= level:
                return
            level = right
    while True:
        with opened(path, name, REFERRED_TO if level is not None and level >= SPARSE else "") as capture:
            right = yield from sampled(capture, name, max_steps, level)
        if level is None or right >= level:
            return
        level = right
