"""The gate for videos: reads a file's header, checks it against the limits, and chooses the reader of its pictures.

FFmpeg recognises a container by its content. Here it accepts only formats.CONTAINERS and opens nothing but the file
itself, so that no playlist, no list of other files and no network address is ever followed. A codec must be one of
formats.CODECS before a picture is decoded. PyAV reads the header; OpenCV, or PyAV with FFmpeg's filters, decodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction

import av
from av.stream import Disposition

from pipeline.limits import MAX_RATE, MAX_SECONDS
from pipeline.sandbox.formats import CODECS, CONTAINERS, STILL_BRANDS
from pipeline.sandbox.messages import MediaError
from pipeline.sandbox.opened_file import MediaFile, first_bytes, for_ffmpeg
from pipeline.sandbox.pictures import SQUARE, check_pixels, shown_size

STILL = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails
PROGRESSIVE = (0, 1)  # FFmpeg's field orders: unknown, progressive; the others are interlaced
PQ, HLG, BT2020 = 16, 18, 9  # transfer functions and primaries, numbered as in ITU-T H.273
NARROWEST, WIDEST = Fraction(1, 8), Fraction(8)  # shapes of pixels that are believed
ROUNDING = Fraction(1, 100)  # shapes so near to 1 are 1: the nearest one in use is 16:15


@dataclass(frozen=True)
class Video:
    """What the header of a video says, after it was found to be within the limits."""

    stream: int  # index of the video among the streams of the file
    codec: str  # FFmpeg's name of the decoder
    only_video: bool  # whether no other stream holds pictures
    pixels: int  # of a stored picture, as the header states its size
    pixel_shape: Fraction  # width / height of a pixel as it is to be shown
    interlaced: bool
    wide_colour: bool  # HDR, or colours that a screen without HDR lacks
    start: float  # seconds from the beginning of the presentation, whatever stream that is, to that of the pictures
    claimed_duration: float  # seconds from the first to the last picture, as the header states it; 0 if it does not
    rate: float  # pictures a second; 0 if unknown
    mime: str | None  # under which browsers play the file itself; None if they cannot


def opencv_shows_rightly(video: Video) -> bool:
    """Whether OpenCV, the faster reader, shows the pictures as a player does.

    It converts no interlaced picture, does not map HDR to the screen, and cannot be told which stream to read. The
    shape of pixels is no matter of decoding: pictures.shrink_to_preview() corrects it for every reader.
    """
    return video.only_video and not video.interlaced and not video.wide_colour


def inspect(file: MediaFile, name: str) -> Video:
    """The header of a video within the limits. Raises MediaError for everything else."""
    with opened_container(file, name) as container:
        stream = the_video(container, file, name)
        context = stream.codec_context
        shape = pixel_shape(stream)
        check_pixels(name, context.width, context.height)
        check_pixels(name, *shown_size(context.width, context.height, shape))
        if context.name not in CODECS:
            raise MediaError(f"{name} is a video in a format that this app does not read.")
        rate = float(stream.guessed_rate or stream.average_rate or 0)
        claimed = claimed_duration(container, stream, rate)
        if claimed > MAX_SECONDS:
            raise MediaError(f"{name} is too long: the limit is {MAX_SECONDS // 60} minutes.")
        return Video(
            stream.index,
            context.name,
            len(container.streams.video) == 1,
            context.width * context.height,
            shape,
            context.field_order not in PROGRESSIVE,
            context.color_trc in (PQ, HLG) or context.color_primaries == BT2020,
            start_of(stream, container),
            claimed,
            rate,
            browser_mime(container.format.name, context.name, context.pix_fmt or "", file),
        )


@contextmanager
def opened_container(file: MediaFile, name: str) -> Iterator[av.container.InputContainer]:
    """The file, if its container may be read. Whatever FFmpeg raises inside becomes a MediaError."""
    try:
        address, options = for_ffmpeg(file)
        with av.open(
            address, container_options={"format_whitelist": CONTAINERS, **options}, metadata_errors="replace"
        ) as open_video:
            yield open_video
    except (av.FFmpegError, ValueError, UnicodeError) as error:
        raise MediaError(
            f"{name} could not be read as a video or a photo: it is damaged, holds no picture, "
            "or is of a kind this app does not know."
        ) from error


def the_video(container: av.container.InputContainer, file: MediaFile, name: str) -> av.VideoStream:
    """The film among the streams: no cover, thumbnail or tile of a photo. Raises MediaError if there is none."""
    if brand(file) in STILL_BRANDS:
        raise MediaError(f"{name} is a damaged photo: it holds no picture that can be decoded.")
    films = [stream for stream in container.streams.video if not stream.disposition & STILL]
    if not films and container.streams.video:
        raise MediaError(f"{name} holds sound and a picture beside it, but no video.")
    if not films:
        raise MediaError(f"{name} could not be read as a video or a photo: it holds no picture.")
    moving = [stream for stream in films if stream.frames != 1] or films
    return next((stream for stream in moving if stream.disposition & Disposition.default), moving[0])


def brand(file: MediaFile) -> bytes:
    """The kind of an ISO media file, four bytes; empty if it is none."""
    start = first_bytes(file, 12)
    return start[8:12] if start[4:8] == b"ftyp" else b""


def pixel_shape(stream: av.VideoStream) -> Fraction:
    """Width / height of a pixel; 1 if the file does not say, or says nonsense.

    A scaler that makes 426 x 240 of 1280 x 720 leaves a shape of 640/639, because a side is a whole number of pixels.
    This shape is taken as 1: stretching each picture by one pixel only blurs it, and takes longer than converting it.
    """
    shape = stream.sample_aspect_ratio
    if not shape or not NARROWEST <= shape <= WIDEST or abs(shape - 1) <= ROUNDING:
        return SQUARE
    return shape


def claimed_duration(container: av.container.InputContainer, stream: av.VideoStream, rate: float) -> float:
    """When the last picture is shown, counted from the first, if the file tells the truth; 0 if it says nothing."""
    if not 0 < rate <= MAX_RATE:
        return 0.0
    seconds = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
    seconds = seconds or (container.duration or 0) / av.time_base
    count = stream.frames or round(seconds * rate)
    return (count - 1) / rate if count > 1 else 0.0


def start_of(stream: av.VideoStream, container: av.container.InputContainer) -> float:
    """Seconds by which the pictures begin after the presentation: that begins with its first sound or picture."""
    heard = [other for other in container.streams if other.type == "audio"]
    starts = [
        float(s.start_time * s.time_base)
        for s in (stream, *heard)
        if s.start_time is not None and s.time_base is not None
    ]
    if stream.start_time is None or not starts:
        return 0.0
    start = starts[0] - min(starts)
    return start if start <= MAX_SECONDS else 0.0


def browser_mime(container: str, codec: str, pixels: str, file: MediaFile) -> str | None:
    """The MIME type to play the file under, or None if browsers cannot; by FFmpeg's names for what is in it."""
    if "mp4" in container and brand(file) and (codec, pixels) in (("h264", "yuv420p"), ("h264", "yuvj420p")):
        return "video/mp4"
    if "mp4" in container and brand(file) and codec in ("av1", "libdav1d"):
        return "video/mp4"
    if "webm" in container and codec in ("vp8", "vp9", "av1", "libdav1d"):
        return "video/webm"
    return None
