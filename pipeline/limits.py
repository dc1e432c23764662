"""Input and resource limits. The environment variable ``UNROLL_<NAME>`` overrides each: ``UNROLL_MAX_MEGABYTES=50``."""

from __future__ import annotations

import os

HIGHEST = 10**9  # that a limit may be set to: the system's own counters take it


def _limit(name: str, default: int) -> int:
    """A whole number from 1 to HIGHEST from the environment, or the default. Raises ValueError for anything else."""
    text = os.environ.get(f"UNROLL_{name}", str(default))
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and 1 <= int(text) <= HIGHEST):
        raise ValueError(f"UNROLL_{name} must be a whole number from 1 to {HIGHEST}, not {text[:40]!r}.")
    return int(text)


MAX_MEGABYTES = _limit("MAX_MEGABYTES", 200)  # of one file; the app's upload field has the same
MAX_PIXELS = _limit("MAX_PIXELS", 64_000_000)  # of one picture; 8K video has 33 million
MAX_RATE = _limit("MAX_RATE", 1000)  # pictures a second that a video may claim
MAX_SECONDS = _limit("MAX_SECONDS", 4 * 3600)  # that a video may claim to last
MAX_FILES = _limit("MAX_FILES", 10_000)  # in a folder of images

JOBS_AT_ONCE = _limit("JOBS_AT_ONCE", 2)  # clips that the app reads at the same time
LONGEST_LINE = _limit("LONGEST_LINE", 20)  # visitors that may wait behind them

DECODER_SECONDS = _limit("DECODER_SECONDS", 120)  # by the clock, for one file
DECODER_CPU_SECONDS = _limit("DECODER_CPU_SECONDS", 240)  # of all its threads together
DECODER_MEGABYTES = _limit("DECODER_MEGABYTES", 1536)  # of memory of its own

COPY_SECONDS = _limit("COPY_SECONDS", 600)  # of the copy of a video that browsers cannot play
COPY_MEGABYTES = _limit("COPY_MEGABYTES", 24)  # of that copy
