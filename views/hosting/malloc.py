"""Memory that nobody uses any more goes back to the system, where glibc by itself would keep it.

Every visitor's run is a thread, and glibc gives threads heaps of their own (eight for each core): what one of them has
freed is of no use to the next, and a few small things that stay hold large freed ones back. So here all share two
heaps, and whatever is large (a file, a message to the browser, the pictures of a clip) is mapped by itself and unmapped
when it is freed; by default glibc raises that bound to 32 MB as it goes.
"""

from __future__ import annotations

import ctypes

HEAPS = 2
LARGE = 256 * 1024  # bytes
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # as malloc.h names them

_libc = ctypes.CDLL(None)
if hasattr(_libc, "malloc_trim"):  # other C libraries have none of this, and need none
    _libc.mallopt(M_ARENA_MAX, HEAPS)
    _libc.mallopt(M_MMAP_THRESHOLD, LARGE)


def release_free_memory() -> None:
    """Return the free pages within the heaps too: 170 MB once the CNN is loaded, some after every clip. It takes a
    millisecond or two, and other threads go on meanwhile."""
    if hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(0)
