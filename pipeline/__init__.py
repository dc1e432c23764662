"""Unroll: from the bytes of a video to a word, through a CNN and a recurrent network."""

import os

# FFmpeg's own complaints would reach the terminal beside ours; MediaError says what a person can act on. OpenCV reads
# both when it is first imported, so they are set before anything else here is.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
