"""Videos that OpenCV cannot show rightly are decoded by PyAV, and pass through FFmpeg's own filters.

Interlaced pictures are deinterlaced (bwdif), HDR and wide colours become those of an ordinary screen (scale, BT.2408:
what is as bright as paper, 203 cd/m2, becomes white), transparent parts show white, and what lies is turned upright.
Only the pictures that are wanted are filtered.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import av
import cv2
import numpy as np
from av.filter import Graph

from pipeline.limits import MAX_PIXELS
from pipeline.sandbox.messages import MediaError
from pipeline.sandbox.opened_file import MediaFile
from pipeline.sandbox.photos import over_white
from pipeline.sandbox.pictures import SQUARE, preview_size, shown_size, shrink_to_preview
from pipeline.sandbox.sampling import rising_times
from pipeline.sandbox.videos import BT2020, HLG, PQ, Video, opened_container

TO_SCREEN = "out_primaries=bt709:out_transfer=iec61966-2-1:intent=relative_colorimetric"
BROKEN = 50  # pictures in a row that cannot be decoded: then nothing more is expected


class FilteredReader:
    """The pictures of one stream in order (see sampling.PictureReader)."""

    def __init__(self, container: av.container.InputContainer, video: Video, only_referred_to: bool) -> None:
        self._stream = next(stream for stream in container.streams.video if stream.index == video.stream)
        self._stream.thread_type = "AUTO"
        if only_referred_to:
            self._stream.codec_context.skip_frame = "NONREF"
        self._container, self._video = container, video
        self._to_screen: tuple[tuple[object, ...], Graph] | None = None
        self._frames = self._decoded()
        self._before: av.VideoFrame | None = None
        self._now: av.VideoFrame | None = None
        self._next = next(self._frames, None)
        self.rate = video.rate
        self.size = self._upright_size()

    def times(self) -> Iterator[float]:
        return rising_times(self._stamps(), self.rate)

    def _stamps(self) -> Iterator[float | None]:
        begins = self._stream.start_time
        while self._next is not None:
            self._before, self._now, self._next = self._now, self._next, next(self._frames, None)
            pts, base = self._now.pts, self._now.time_base
            yield None if pts is None or base is None else float((pts - (begins or 0)) * base)

    def picture(self) -> np.ndarray | None:
        """Raises MediaError, by way of opened_by_pyav(), if a filter fails."""
        frame = self._now
        if frame is None:
            return None
        if frame.interlaced_frame:
            frame = deinterlaced(self._before, frame, self._next)
        shape = self._video.pixel_shape
        if frame.color_trc in (PQ, HLG) or frame.color_primaries == BT2020:
            picture = self._on_screen(frame, *preview_size(*shown_size(frame.width, frame.height, shape)))
            shape = SQUARE
        elif any(component.is_alpha for component in frame.format.components):
            picture = over_white(frame.to_ndarray(format="bgra"))
        else:
            picture = frame.to_ndarray(format="bgr24")
        return np.ascontiguousarray(np.rot90(shrink_to_preview(picture, shape), self._turns()))

    def _decoded(self) -> Iterator[av.VideoFrame]:
        """The pictures; those that are damaged are left out, as long as there are others."""
        broken = 0
        for packet in self._container.demux(self._stream):
            try:
                frames = self._stream.decode(packet)
                broken = 0
            except av.FFmpegError:
                broken += 1
                if broken > BROKEN:
                    return
                continue
            for frame in frames:
                if 0 < frame.width * frame.height <= MAX_PIXELS:
                    yield frame

    def _turns(self) -> int:
        """Quarter turns to the left that bring a picture upright."""
        first = self._now or self._next
        return 0 if first is None else round(first.rotation / 90) % 4

    def _upright_size(self) -> tuple[int, int]:
        context = self._stream.codec_context
        size = shown_size(context.width, context.height, self._video.pixel_shape)
        return size[::-1] if self._turns() % 2 else size

    def _on_screen(self, frame: av.VideoFrame, width: int, height: int) -> np.ndarray:
        """(height, width, 3) uint8 BGR in the colours of an ordinary screen."""
        key = (frame.width, frame.height, frame.format.name, frame.color_trc, frame.color_primaries, width, height)
        if self._to_screen is None or self._to_screen[0] != key:
            filters = [("scale", f"{width}:{height}:flags=area"), ("scale", TO_SCREEN), ("format", "gbrp")]
            self._to_screen = key, chain(frame, filters)
        graph = self._to_screen[1]
        graph.push(frame)
        return cv2.cvtColor(graph.vpull().to_ndarray(format="rgb24"), cv2.COLOR_RGB2BGR)


@contextmanager
def opened_by_pyav(
    file: MediaFile, name: str, video: Video, only_referred_to: bool = False
) -> Iterator[FilteredReader]:
    """The video; ``only_referred_to`` leaves out the pictures that no other picture refers to."""
    with opened_container(file, name) as container:
        try:
            yield FilteredReader(container, video, only_referred_to)
        except av.FFmpegError as error:
            raise MediaError(f"{name} could not be decoded.") from error


def deinterlaced(before: av.VideoFrame | None, frame: av.VideoFrame, after: av.VideoFrame | None) -> av.VideoFrame:
    """The whole picture of an interlaced frame, from its two fields and those of its neighbours."""
    near = [other for other in (before, frame, after) if other is not None and alike(other, frame)]
    graph = chain(frame, [("bwdif", "mode=send_frame:deint=interlaced")])
    for other in near:
        graph.push(other)
    graph.push(None)
    place = next(k for k, other in enumerate(near) if other is frame)
    for _ in range(place):
        graph.vpull()
    return graph.vpull()


def alike(one: av.VideoFrame, other: av.VideoFrame) -> bool:
    """Whether one chain of filters takes both."""
    return (one.width, one.height, one.format.name) == (other.width, other.height, other.format.name)


def chain(frame: av.VideoFrame, filters: list[tuple[str, str]]) -> Graph:
    """A chain of FFmpeg's filters for pictures like this one."""
    graph = Graph()
    last = graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base)
    for name, arguments in filters:
        following = graph.add(name, arguments)
        last.link_to(following)
        last = following
    last.link_to(graph.add("buffersink"))
    graph.configure()
    return graph
