"""Runs a command on many inputs, one after the other; the next input is decoded while one is encoded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice
from typing import Any

from pipeline.media.clip import Clip, ClipStream
from pipeline.media.reader import open_clip
from pipeline.sandbox.messages import MediaError

Result = dict[str, Any]  # the result for one input: a line of JSON
Streams = Iterator[tuple[str, ClipStream | MediaError]]  # each input while it is being decoded
Results = Iterable[tuple[str, Result | MediaError]]  # each input with its result, or why it cannot be read
Runner = Callable[[Streams], Results]  # a command's networks, loaded

PREFETCH = 1  # inputs that are decoded while another is encoded; more would only compete for the cores


def open_streams(paths: Iterable[str]) -> Streams:
    """Open the inputs in order; the decoding of PREFETCH of them starts at once."""
    rest = iter(paths)
    waiting = deque(map(_open, islice(rest, PREFETCH)))

    def given() -> Streams:
        while waiting:
            path, stream = waiting.popleft()
            waiting.extend(map(_open, islice(rest, 1)))
            yield path, stream

    return given()


def _open(path: str) -> tuple[str, ClipStream | MediaError]:
    try:
        return path, open_clip(path)
    except MediaError as error:
        return path, error


def run_each(streams: Streams, read: Callable[[ClipStream], Result]) -> Results:
    """What ``read`` makes of each input, one after the other; it may raise MediaError itself."""
    for path, stream in streams:
        try:
            if isinstance(stream, MediaError):
                raise stream
            yield path, with_left_out(read(stream), stream.clip())
        except MediaError as error:
            yield path, error


def run_photo_batches(streams: Streams, count: int, read: Callable[[Sequence[Clip]], Iterable[Result]]) -> Results:
    """What ``read`` makes of up to ``count`` photos in a row at once, or of one clip."""
    for kind, alike in groupby(_clips(streams), lambda pair: getattr(pair[1], "kind", None)):
        while batch := list(islice(alike, count if kind == "photo" else 1)):
            clips = [clip for _, clip in batch if isinstance(clip, Clip)]
            results = iter(read(clips) if clips else ())
            for path, clip in batch:
                yield path, clip if isinstance(clip, MediaError) else with_left_out(next(results), clip)


def _clips(streams: Streams) -> Iterator[tuple[str, Clip | MediaError]]:
    for path, stream in streams:
        try:
            if isinstance(stream, MediaError):
                raise stream
            yield path, stream.clip()
        except MediaError as error:
            yield path, error


def with_left_out(result: Result, clip: Clip) -> Result:
    """The result of a folder also names the files that are no part of the clip."""
    return {**result, "left_out": list(clip.left_out)} if clip.left_out else result
