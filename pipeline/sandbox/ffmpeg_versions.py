"""The two copies of FFmpeg that read files, OpenCV's and PyAV's, and the oldest versions without a known hole."""

from __future__ import annotations

import re

import av
import cv2

Version = tuple[int, ...]

# Those in opencv-python-headless 4.14.0.94 and av 18.1.0. opencv-python-headless 5.0.0.93 has an older FFmpeg, with
# CVE-2026-8461, so the package's number says nothing about the FFmpeg in it.
OLDEST: dict[str, Version] = {"avcodec": (62, 28, 102), "avformat": (62, 12, 102)}


def of_opencv(library: str) -> Version | None:
    """None if OpenCV was built without it, or does not say."""
    found = re.search(rf"{library}:\s+YES \((\d+)\.(\d+)\.(\d+)\)", cv2.getBuildInformation())
    return tuple(map(int, found.groups())) if found else None


def of_pyav(library: str) -> Version:
    return av.library_versions[f"lib{library}"]
