"""Which inputs the paths on a command line mean: files as they are, folders as clips or as what is in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from pipeline.sandbox.folders import images_of, in_natural_order
from pipeline.sandbox.formats import VIDEO_SUFFIXES

FOREIGN_FOLDERS = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found"})


class Inputs(NamedTuple):
    """``paths`` to read, and the files that were met on the way and are no inputs."""

    paths: list[str]
    left_out: list[str]


def expand_inputs(paths: Iterable[str], each: bool = False, kind: Callable[[str], Path] = Path) -> Inputs:
    """A folder with images and no other input in it is one clip. Any other folder is walked in natural order, and every
    video, photo or folder of images in it is an input of its own. With ``each``, every image is.

    Hidden files, other kinds of files, and linked folders are left out. A folder without inputs is returned as it is;
    reading it then reports the error. ``kind`` makes paths of strings, pathlib's or others like them.
    """
    found, left_out = [], []
    for path in paths:
        inside = _walk(kind(path), each) if _is_folder(kind(path)) else Inputs([], [])
        found += inside.paths or [path]
        left_out += inside.left_out
    return Inputs(found, left_out)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _walk(folder: Path, each: bool) -> Inputs:
    try:
        entries = in_natural_order(folder.iterdir())
    except OSError:
        return Inputs([str(folder)], [])  # reading it reports why it cannot be read
    images, others = images_of(entries)
    videos = {path for path in others if _is_video(path)}
    inside = {path: _walk(path, each) for path in entries if _is_folder(path) and not _is_foreign(path)}
    if images and not each and not videos and not any(below.paths for below in inside.values()):
        return Inputs([str(folder)], [])  # reading it reports what is left out
    found, left_out = [], []
    for path in entries:
        if path in inside:
            found += inside[path].paths
            left_out += inside[path].left_out
        elif path in videos or path in images:
            found.append(str(path))
        elif path in others:
            left_out.append(str(path))
    return Inputs(found, left_out)


def _is_video(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix.lower() in VIDEO_SUFFIXES


def _is_foreign(folder: Path) -> bool:
    """Whether a system put it there, or it may lead back to where it is."""
    return folder.name.startswith(".") or folder.name in FOREIGN_FOLDERS or folder.is_symlink()
