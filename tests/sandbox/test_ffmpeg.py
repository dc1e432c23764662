"""Two copies of FFmpeg read untrusted files, OpenCV's and PyAV's. Neither may have a known hole."""

from __future__ import annotations

import pytest

from pipeline.sandbox.ffmpeg_versions import OLDEST, of_opencv, of_pyav


@pytest.mark.parametrize("library", OLDEST)
def test_the_ffmpeg_of_opencv_is_not_older_than_the_one_that_was_chosen(library):
    version = of_opencv(library)
    assert version is not None, "OpenCV was built without it, or its build information has another form"
    assert version >= OLDEST[library]


@pytest.mark.parametrize("library", OLDEST)
def test_the_ffmpeg_of_pyav_is_not_older_than_the_one_that_was_chosen(library):
    assert of_pyav(library) >= OLDEST[library]
