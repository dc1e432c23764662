"""Animated WebP, PNG and AVIF are clips, as GIF is: Pillow decodes picture after picture."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import ImageFile

from pipeline.limits import MAX_SECONDS
from pipeline.sandbox.photos import orientation, to_bgr, turn_upright
from pipeline.sandbox.pictures import shrink_to_preview

SHORTEST = 0.011  # seconds: browsers show a picture that asks for less for DEFAULT
DEFAULT = 0.1


class AnimationReader:
    """The pictures of an animated image, in order (see sampling.PictureReader)."""

    def __init__(self, photo: ImageFile.ImageFile) -> None:
        self._photo, self._orientation = photo, orientation(photo)
        turned = self._orientation in (5, 6, 7, 8)
        self.size = photo.size[::-1] if turned else photo.size

    def times(self) -> Iterator[float]:
        """A damaged file ends with its last whole picture."""
        time = 0.0
        first = int(bool(getattr(self._photo, "default_image", False)))  # a PNG's still, no part of the animation
        for index in range(first, getattr(self._photo, "n_frames", 1)):
            try:
                self._photo.seek(index)
                self._photo.load()
            except MemoryError:
                raise
            except Exception:  # decoders raise what they like
                return
            yield time
            seconds = float(self._photo.info.get("duration") or 0) / 1000
            time += seconds if seconds >= SHORTEST else DEFAULT
            if time > MAX_SECONDS:
                return

    def picture(self) -> np.ndarray | None:
        return turn_upright(shrink_to_preview(to_bgr(self._photo)), self._orientation)
