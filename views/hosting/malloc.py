"""Returns freed memory to the system, which glibc would keep.

Every visitor's run is a thread, and glibc gives each thread a heap of its own (eight for each core). Memory that one
thread has freed does not serve the next, and a few small objects keep large freed blocks. So all threads share two
heaps here, and large blocks (a file, a message to the browser, the pictures of a clip) are mapped separately and
unmapped when they are freed; by default glibc raises that limit to 32 MB.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

HEAPS = 2
LARGE = 256 * 1024  # bytes
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # as malloc.h names them

_libc: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
if hasattr(_libc, "malloc_trim"):  # other C libraries have none of this, and need none
    _libc.mallopt(M_ARENA_MAX, HEAPS)
    _libc.mallopt(M_MMAP_THRESHOLD, LARGE)


def release_free_memory() -> None:
    """Return the free pages within the heaps: 170 MB after the CNN is loaded, some after every clip. Takes about two
    milliseconds, while other threads go on."""
    if hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(0)
