"""Two copies of FFmpeg read untrusted files, OpenCV's and PyAV's. Neither may have a known hole."""

from __future__ import annotations

import re

import av
import cv2
import pytest

# The versions in opencv-python-headless 4.14.0.94 and av 18.1.0. opencv-python-headless 5.0.0.93 has an older FFmpeg,
# with CVE-2026-8461, so the package's number says nothing about the FFmpeg in it.
LEAST = {"avcodec": (62, 28, 102), "avformat": (62, 12, 102)}


@pytest.mark.parametrize("library", LEAST)
def test_the_ffmpeg_of_opencv_is_not_older_than_the_one_that_was_chosen(library):
    version = re.search(rf"{library}:\s+YES \((\d+)\.(\d+)\.(\d+)\)", cv2.getBuildInformation())
    assert version, "OpenCV was built without it, or its build information has another form"
    assert tuple(map(int, version.groups())) >= LEAST[library]


@pytest.mark.parametrize("library", LEAST)
def test_the_ffmpeg_of_pyav_is_not_older_than_the_one_that_was_chosen(library):
    assert av.library_versions[f"lib{library}"] >= LEAST[library]
