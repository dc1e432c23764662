from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from pipeline.limits import DECODER_SECONDS
from pipeline.media.clip import Clip
from pipeline.media.reader import read_clip
from pipeline.sandbox.messages import MediaError
from tests.hostile import corpus
from tests.sample_media import no_decoder_is_left


def outcome(path: Path, data: bytes) -> Clip | str:
    """What became of a file, after everything that must hold of any outcome was checked."""
    path.write_bytes(data)
    started = time.monotonic()
    try:
        clip = read_clip(path)
    except MediaError as error:
        sentence = str(error)
        assert sentence.startswith(path.name)
        assert sentence.endswith(".")
        assert "\n" not in sentence
        assert str(path.parent) not in sentence
        return sentence
    finally:
        path.unlink()
        assert time.monotonic() - started < DECODER_SECONDS + 5
    assert clip.frames
    assert np.isfinite(clip.duration)
    for frame in clip.frames:
        assert frame.image.dtype == np.uint8
        assert frame.image.ndim == 3
        assert np.isfinite(frame.time)
    return clip


def test_every_file_ends_in_a_clip_or_a_sentence(tmp_path):
    with ThreadPoolExecutor(2) as pool:
        found = dict(
            pool.map(lambda case: (case[0], outcome(tmp_path / case[0], case[1])), corpus.everything(), chunksize=1)
        )
    assert len(found) > 560
    clips = sum(isinstance(each, Clip) for each in found.values())
    assert 50 < clips < len(found) - 50  # damage is survived as far as it goes, not refused wholesale
    assert no_decoder_is_left()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("case", list(corpus.lists_of_other_files()), ids=lambda case: case[0])
def test_no_other_file_is_ever_opened(case, tmp_path):
    assert isinstance(outcome(tmp_path / case[0], case[1]), str)


def test_what_is_whole_is_read(tmp_path):
    for name, data in corpus.real():
        assert isinstance(outcome(tmp_path / name, data), Clip), name
