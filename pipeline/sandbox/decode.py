"""A photo, an animation, a folder of images or a video, recognised by its content, becomes frames, in this process."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from pipeline.sandbox.animations import AnimationReader
from pipeline.sandbox.filtered_reader import opened_by_pyav
from pipeline.sandbox.folders import read_folder
from pipeline.sandbox.key_frames import read_at_key_frames
from pipeline.sandbox.messages import ClipEnd, ClipInfo, Frame, MediaError
from pipeline.sandbox.opencv_reader import ConversionError, opened_by_opencv
from pipeline.sandbox.opened_file import MediaFile
from pipeline.sandbox.photos import decode_photo, is_animated, opened_photo
from pipeline.sandbox.pictures import make_frame
from pipeline.sandbox.sampling import PictureReader, exponent_for, sample_frames
from pipeline.sandbox.videos import Video, inspect, opencv_shows_rightly

QUICK = 20  # pictures a second: then it matters little which of two or three neighbouring ones a frame is

Messages = Generator[ClipInfo | Frame | ClipEnd, None, None]


def decode(file: MediaFile, max_steps: int, name: str) -> Messages:
    """The file as a ClipStream takes it: what it is, at most ``max_steps`` frames that make the clip, and the end.

    Decodes in this very process: for files of strangers see media.read_clip. ``name`` is what error messages call the
    file. Raises MediaError if it holds no picture that can be read.
    """
    try:
        if isinstance(file, Path) and file.is_dir():
            yield from read_folder(file, name, max_steps)
            return
        with opened_photo(file, name) as photo:
            if photo is not None and is_animated(photo):
                reader = AnimationReader(photo)
                yield ClipInfo("video", *reader.size)
                yield from sample_frames(reader, name, max_steps, None)
            elif photo is not None:
                picture, size = decode_photo(photo, name)
                yield ClipInfo("photo", *size)
                yield make_frame(0, 0.0, picture)
                yield ClipEnd(0.0, (0.0,))
            else:
                yield from read_video(file, name, max_steps)
    except OSError as error:
        raise MediaError(f"{name} could not be opened: {error.strerror or 'input/output error'}.") from error
    except MemoryError as error:
        raise MediaError(f"{name} needs more memory to decode than there is for one file.") from error


def read_video(file: MediaFile, name: str, max_steps: int) -> Iterator[ClipInfo | Frame | ClipEnd]:
    """By OpenCV where it shows the pictures rightly, else by PyAV; all times on the clock of a player."""
    video = inspect(file, name)
    is_first = True
    for message in pictures_of(file, name, video, max_steps):
        match message:
            case ClipInfo():
                if is_first:
                    yield message
                is_first = False
            case Frame():
                yield replace(message, time=message.time + video.start)
            case ClipEnd():
                times = tuple(time + video.start for time in message.times)
                yield replace(message, duration=message.duration + video.start, times=times)


def pictures_of(file: MediaFile, name: str, video: Video, max_steps: int) -> Messages:
    """The video's frames, with times from its first picture; from the beginning again if OpenCV cannot convert one."""
    if opencv_shows_rightly(video):
        try:
            yield from read_by_opencv(file, name, video, max_steps)
            return
        except ConversionError:
            pass
    yield from read_pictures(partial(opened_by_pyav, file, name, video), name, video, max_steps)


def read_by_opencv(file: MediaFile, name: str, video: Video, max_steps: int) -> Messages:
    """At key frames if they are near enough to where frames are wanted, else picture by picture."""
    if (yield from read_at_key_frames(file, name, video, max_steps)):
        return
    yield from read_pictures(partial(opened_by_opencv, file, name, video), name, video, max_steps)


def read_pictures(
    open_video: Callable[[bool], AbstractContextManager[PictureReader]], name: str, video: Video, max_steps: int
) -> Messages:
    """Picture by picture. Those that no other picture refers to are left out if only some bursts are read and the
    pictures follow each other quickly.

    If the file is not as long as it claims, there is another pass.
    """
    exponent = exponent_for(video.claimed_duration, max_steps)
    while True:
        with open_video(bool(exponent) and video.rate >= QUICK) as reader:
            yield ClipInfo("video", *reader.size, video.mime, video.claimed_duration + video.start)
            right = yield from sample_frames(reader, name, max_steps, exponent)
        if exponent is None or right >= exponent:
            return
        exponent = right


@contextmanager
def opened_pictures(file: MediaFile, name: str, by_opencv: bool = True) -> Iterator[tuple[PictureReader, float]]:
    """A reader of all the pictures of a video or an animation, and the time of the first on a player's clock."""
    with opened_photo(file, name) as photo:
        if photo is not None and is_animated(photo):
            yield AnimationReader(photo), 0.0
            return
    video = inspect(file, name)
    open_video = opened_by_opencv if by_opencv and opencv_shows_rightly(video) else opened_by_pyav
    with open_video(file, name, video) as reader:
        yield reader, video.start
