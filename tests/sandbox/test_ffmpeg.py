"""The FFmpeg inside OpenCV reads what strangers send, so it must not be one with a hole that is known."""

from __future__ import annotations

import re

import cv2
import pytest

# Those of opencv-python-headless 4.14.0.94. Version 5.0.0.93 brought an older FFmpeg, with CVE-2026-8461 in it, under
# a higher number of its own: what counts is what is inside, not the number of the package.
LEAST = {"avcodec": (62, 28, 102), "avformat": (62, 12, 102)}


@pytest.mark.parametrize("library", LEAST)
def test_ffmpeg_is_not_older_than_the_one_that_was_chosen(library):
    found = re.search(rf"{library}:\s+YES \((\d+)\.(\d+)\.(\d+)\)", cv2.getBuildInformation())
    assert found, "OpenCV was built without it, or tells it otherwise"
    assert tuple(map(int, found.groups())) >= LEAST[library]
