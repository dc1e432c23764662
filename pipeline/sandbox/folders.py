"""Folders of images: which of their files are the clip, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from natsort import natsort_keygen, ns

from pipeline.limits import MAX_FILES
from pipeline.sandbox.formats import PHOTO_SUFFIXES
from pipeline.sandbox.messages import ClipEnd, ClipInfo, Frame, MediaError
from pipeline.sandbox.photos import decode_photo, opened_photo
from pipeline.sandbox.pictures import make_frame

FOLDER_STEP = 1.0  # seconds between the images of a folder, whose true times nobody knows

_natural = natsort_keygen(key=lambda path: path.name, alg=ns.IGNORECASE)


def in_natural_order(paths: Iterable[Path]) -> list[Path]:
    """Sorted by name, numbers in names by their value: frame2 before frame10."""
    return sorted(paths, key=lambda path: (_natural(path), path.name))


def images_of(entries: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """A folder's entries -> its images in natural order, and the files that are left out: the hidden ones (also those
    that macOS puts beside each file of an archive, ``._name``) and those of another kind."""
    images: list[Path] = []
    others: list[Path] = []
    for path in in_natural_order(entries):
        is_image = not path.name.startswith(".") and path.suffix.lower() in PHOTO_SUFFIXES
        (images if is_image and path.is_file() else others).append(path)
    return images, [path for path in others if not path.is_dir()]


def read_folder(path: Path, name: str, max_steps: int) -> Iterator[ClipInfo | Frame | ClipEnd]:
    """The folder's images in natural order, evenly spread from the first to the last if they are too many.

    An image that cannot be read is left out; the next one that nobody else needs takes its place. Raises MediaError if
    there is no image that can be read.
    """
    files, left_out = images_of(path.iterdir())
    if not files:
        raise MediaError(f"{name} holds no images ({', '.join(sorted(PHOTO_SUFFIXES))}).")
    if len(files) > MAX_FILES:
        raise MediaError(f"{name} holds {len(files)} images; the limit is {MAX_FILES}.")
    spread = np.linspace(0, len(files) - 1, min(max_steps, len(files))).round().astype(int)
    chosen = sorted(set(spread.tolist()))  # np.unique would import a module, which a locked process cannot
    times: list[float] = []
    problem: MediaError | None = None
    for first, end in zip(chosen, [*chosen[1:], chosen[-1] + 1], strict=True):
        for k in range(first, end):
            try:
                picture, size = read_image(files[k], f"{name}/{files[k].name}")
            except MediaError as error:
                problem = problem or error
                left_out.append(files[k])
                continue
            if not times:
                yield ClipInfo("folder", *size)
            yield make_frame(len(times), k * FOLDER_STEP, picture)
            times.append(k * FOLDER_STEP)
            break
    if not times and problem is not None:
        raise problem
    yield ClipEnd((len(files) - 1) * FOLDER_STEP, tuple(times), tuple(path.name for path in left_out))


def read_image(path: Path, name: str) -> tuple[np.ndarray, tuple[int, int]]:
    """An image of a folder; see decode_photo(). Raises MediaError if it cannot be read."""
    try:
        with opened_photo(path, name) as photo:
            if photo is None:
                raise MediaError(f"{name} is not an image that can be read.")
            return decode_photo(photo, name)
    except OSError as error:
        raise MediaError(f"{name} could not be opened: {error.strerror or 'input/output error'}.") from error
