"""Input and decoder limits, the engine and the decoder. The environment variable ``UNROLL_<NAME>`` overrides each:
``UNROLL_MAX_MEGABYTES=50``."""

from __future__ import annotations

import os
import sys
from typing import Literal, get_args

EngineName = Literal["openvino-bf16", "openvino", "torch"]
DecoderName = Literal["fork", "spawn"]

HIGHEST = 10**9  # that a limit may be set to: the system's own counters take it


def limit(name: str, default: int) -> int:
    """A whole number from 1 to HIGHEST from the environment, or the default. Raises ValueError for anything else."""
    text = os.environ.get(f"UNROLL_{name}", str(default))
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and 1 <= int(text) <= HIGHEST):
        raise ValueError(f"UNROLL_{name} must be a whole number from 1 to {HIGHEST}, not {text[:40]!r}.")
    return int(text)


def named_engine() -> EngineName | None:
    """The engine that UNROLL_ENGINE names, None if it is not set. Raises ValueError for an unknown one."""
    text = os.environ.get("UNROLL_ENGINE")
    for name in get_args(EngineName):
        if text == name:
            return name
    if text is None:
        return None
    raise ValueError(f"UNROLL_ENGINE must be one of {', '.join(get_args(EngineName))}, not {text[:40]!r}.")


def named_decoder() -> DecoderName:
    """How decoding processes come to be: as UNROLL_DECODER says, else forked on Linux and spawned elsewhere. Raises
    ValueError for an unknown way, or one that this system does not have."""
    text = os.environ.get("UNROLL_DECODER", "fork" if sys.platform == "linux" else "spawn")
    if text == "spawn":
        return "spawn"
    if text == "fork" and sys.platform == "linux":
        return "fork"
    raise ValueError(f"UNROLL_DECODER must be spawn, or on Linux fork, not {text[:40]!r}.")


def switch(name: str) -> bool:
    """Whether the environment variable is 1; unset or 0 is False. Raises ValueError for anything else."""
    text = os.environ.get(f"UNROLL_{name}", "0")
    if text not in ("0", "1"):
        raise ValueError(f"UNROLL_{name} must be 0 or 1, not {text[:40]!r}.")
    return text == "1"


MAX_MEGABYTES = limit("MAX_MEGABYTES", 200)  # of one file; the app's upload field has the same
MAX_PIXELS = limit("MAX_PIXELS", 64_000_000)  # of one picture; 8K video has 33 million
MAX_RATE = limit("MAX_RATE", 1000)  # pictures a second that a video may claim
MAX_SECONDS = limit("MAX_SECONDS", 4 * 3600)  # that a video may claim to last
MAX_FILES = limit("MAX_FILES", 10_000)  # in a folder of images

DECODER_SECONDS = limit("DECODER_SECONDS", 120)  # by the clock, for one file
DECODER_CPU_SECONDS = limit("DECODER_CPU_SECONDS", 240)  # of all its threads together
DECODER_MEGABYTES = limit("DECODER_MEGABYTES", 1536)  # of memory of its own

DECODER = named_decoder()
REQUIRE_SANDBOX = switch("REQUIRE_SANDBOX")  # whether no decoder starts if a guard is missing (sandbox/lockdown.py)

COPY_SECONDS = limit("COPY_SECONDS", 600)  # of the copy of a video that browsers cannot play
COPY_MEGABYTES = limit("COPY_MEGABYTES", 24)  # of that copy

TEACH_LABELS = limit("TEACH_LABELS", 30)  # that a visitor may teach
TEACH_CLIPS = limit("TEACH_CLIPS", 100)  # of a label
TEACH_MINUTES = limit("TEACH_MINUTES", 60)  # of all clips that are learned from
TEACH_MEGABYTES = limit("TEACH_MEGABYTES", 256)  # of the clips of all visitors who teach at a time
TAUGHT_MEGABYTES = limit("TAUGHT_MEGABYTES", 64)  # of the file of a taught recogniser

ENGINE = named_engine()  # that runs the CNN (pipeline/models/engines.py); None: the fastest one
