"""A photo, a folder of images or a video, recognised by its content, becomes frames, in the process that asks."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

from pipeline.sandbox.key_frames import read_at_key_frames
from pipeline.sandbox.messages import ClipEnd, ClipInfo, Frame, MediaError
from pipeline.sandbox.photos import read_folder, read_photo
from pipeline.sandbox.sampling import sample_frames, stride_exponent_for
from pipeline.sandbox.videos import browser_mime, claimed_duration, codec, open_video, size

REFERRED_TO = "avdiscard;nonref"  # FFmpeg then leaves out the pictures that no other one refers to
SPARSE = 2  # the level from which it matters little which of some neighbouring pictures a frame is


def decode(path: Path, max_steps: int, name: str) -> Generator[ClipInfo | Frame | ClipEnd, None, None]:
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


def read_video(path: Path, name: str, max_steps: int) -> Iterator[ClipInfo | Frame | ClipEnd]:
    """At key frames if they are near enough to where frames are wanted; else picture by picture, without decoding those
    that no other picture refers to if frames are wanted 0.8 s apart or more."""
    with open_video(path, name, REFERRED_TO) as capture:
        claimed = claimed_duration(capture)
        yield ClipInfo("video", *size(capture), browser_mime(path, codec(capture)), claimed)
        stride_exponent = stride_exponent_for(claimed, max_steps)
        if stride_exponent is not None and stride_exponent >= SPARSE:
            if (yield from read_at_key_frames(path, name, claimed, max_steps)):
                return
            right = yield from sample_frames(capture, name, max_steps, stride_exponent)
            if right >= stride_exponent:
                return
            stride_exponent = right
    while True:
        with open_video(
            path, name, REFERRED_TO if stride_exponent is not None and stride_exponent >= SPARSE else ""
        ) as capture:
            right = yield from sample_frames(capture, name, max_steps, stride_exponent)
        if stride_exponent is None or right >= stride_exponent:
            return
        stride_exponent = right
