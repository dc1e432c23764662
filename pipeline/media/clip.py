"""What a file holds: frames as they are decoded, and the whole clip in the end, or a sentence why there is none."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from pipeline.sandbox.messages import ClipEnd, ClipInfo, Frame, Kind, MediaError


def decode_jpeg(jpeg: bytes) -> np.ndarray:
    """What a JPEG of our own making shows, (H, W, 3) uint8 RGB."""
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)


@dataclass(frozen=True)
class Clip:
    """What was read of one file: at least one frame, in order."""

    kind: Kind
    frames: tuple[Frame, ...]
    duration: float  # seconds
    width: int
    height: int
    mime: str | None = None
    left_out: tuple[str, ...] = ()  # names of files of a folder that are no part of the clip


class ClipStream:
    """A clip that is still being decoded. Iterating gives its frames in order, as soon as they are known to be wanted;
    ``clip()`` waits for the end.

    A file may turn out longer or shorter than it claimed. Then the clip has fewer frames than were given, or also some
    that come last, out of order; ``clip()`` is right in any case. Whatever the decoder raises is raised by both.
    """

    def __init__(
        self,
        messages: Generator[ClipInfo | Frame | ClipEnd, None, None],
        ready: Callable[[], bool] = lambda: True,
        end: Callable[[], None] = lambda: None,
    ) -> None:
        self._messages, self._end = messages, end
        self.ready = ready  # whether the next can be had without waiting for the decoder, as far as is known
        self._info: ClipInfo | None = None
        self._frames: dict[float, Frame] = {}
        self._clip: Clip | None = None

    def wait_for_info(self) -> ClipInfo:
        """Waits until the file was recognised."""
        if self._info is None:
            self._info = next(self._messages, None)
        if self._info is None:
            raise MediaError("The clip cannot be read any more.")
        return self._info

    def __iter__(self) -> Iterator[Frame]:
        info = self.wait_for_info()
        for message in self._messages:
            if isinstance(message, ClipEnd):
                frames = tuple(replace(self._frames[time], index=k) for k, time in enumerate(message.times))
                size = info.width, info.height
                self._clip = Clip(info.kind, frames, message.duration, *size, info.mime, message.left_out)
            else:
                self._frames[message.time] = message
                yield message

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
