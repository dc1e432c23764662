"""A clip: while it is decoded (ClipStream), and complete (Clip)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from pipeline.sandbox.messages import ClipEnd, ClipInfo, Frame, Kind, MediaError


def decode_jpeg(jpeg: bytes) -> np.ndarray:
    """A frame's preview as pixels, (H, W, 3) uint8 RGB. Raises MediaError if it is damaged."""
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
    if picture is None:
        raise MediaError("The preview of a frame is damaged.")
    return picture


@dataclass(frozen=True)
class Clip:
    """A file as a sequence of frames, at least one, in order."""

    kind: Kind
    frames: tuple[Frame, ...]
    duration: float  # seconds
    width: int
    height: int
    mime: str | None = None
    left_out: tuple[str, ...] = ()  # names of the folder's files that are not part of the clip


class ClipStream:
    """A clip that is still being decoded. Iterating yields its frames as they come; ``clip()`` waits for the end.

    If the header's duration is wrong, some yielded frames are not in the final clip, or the last frames come out of
    order; ``clip()`` has the final frames. Both raise MediaError if the file cannot be decoded.
    """

    def __init__(
        self,
        messages: Generator[ClipInfo | Frame | ClipEnd, None, None],
        ready: Callable[[], bool] = lambda: True,
        end: Callable[[], None] = lambda: None,
    ) -> None:
        self._messages, self._end = messages, end
        self.ready = ready  # whether the next frame has arrived already
        self._info: ClipInfo | None = None
        self._frames: dict[float, Frame] = {}
        self._clip: Clip | None = None

    def wait_for_info(self) -> ClipInfo:
        """Waits until the child has recognised the file. Raises MediaError if it cannot be read."""
        if self._info is None:
            message = next(self._messages, None)
            if not isinstance(message, ClipInfo):
                raise MediaError("The clip cannot be read any more.")
            self._info = message
        return self._info

    def __iter__(self) -> Iterator[Frame]:
        info = self.wait_for_info()
        for message in self._messages:
            if isinstance(message, ClipEnd):
                frames = tuple(replace(self._frames[time], index=k) for k, time in enumerate(message.times))
                size = info.width, info.height
                self._clip = Clip(info.kind, frames, message.duration, *size, info.mime, message.left_out)
            elif isinstance(message, Frame):
                self._frames[message.time] = message
                yield message

    def frame_at(self, time: float) -> Frame:
        """The frame of this time among those that were yielded."""
        return self._frames[time]

    def clip(self) -> Clip:
        for _ in self:
            pass
        if self._clip is None:
            raise MediaError("The clip was not read to its end.")
        return self._clip

    def __enter__(self) -> ClipStream:
        return self

    def __exit__(self, *ended: object) -> None:
        """End the decoding, if it has not ended."""
        self._messages.close()
        self._end()
