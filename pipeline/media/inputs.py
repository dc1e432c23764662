"""Which inputs the paths on a command line mean: files as they are, folders as clips or as what is found in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from pipeline.sandbox.formats import PHOTO_SUFFIXES, VIDEO_SUFFIXES


def expand_inputs(paths: Iterable[str], each: bool = False, kind: Callable[[str], Path] = Path) -> Iterator[str]:
    """A folder of nothing but images is one clip; any other is walked in name order, and every video, photo or folder
    of images in it is an input of its own. With ``each``, every image is. What is hidden, of another kind, or a link to
    a folder is passed over; a folder in which nothing is found stands for itself, so that whoever reads it can say so.
    ``kind`` makes paths of strings, pathlib's or others like them."""
    for path in paths:
        found = list(_within(kind(path), each)) if _is_folder(kind(path)) else []
        yield from found or [path]


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _within(folder: Path, each: bool) -> Iterator[str]:
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError:
        yield str(folder)  # whoever reads it says why it cannot be read
        return
    if entries and not each and all(entry.suffix.lower() in PHOTO_SUFFIXES and entry.is_file() for entry in entries):
        yield str(folder)
        return
    for entry in entries:
        if _is_folder(entry):
            if not entry.is_symlink():  # it may lead back here
                yield from _within(entry, each)
        elif entry.suffix.lower() in PHOTO_SUFFIXES | VIDEO_SUFFIXES:
            yield str(entry)
