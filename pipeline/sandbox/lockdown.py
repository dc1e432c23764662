"""What a decoding process gives up before it reads the first byte of a file.

On Linux, two guards of the kernel, each of which stops most attacks by itself:

- seccomp (system_calls.py): the process asks the kernel for nothing but memory, threads and the clock.
- Landlock: it opens, writes and executes no file, reaches no TCP port, no abstract socket and no process outside.

Both hold for ever, for all its threads and children. Limits on memory, processor time and files (setrlimit) are added;
other systems have only these. missing_guards() names what a kernel or a container lacks. If something is missing and
UNROLL_REQUIRE_SANDBOX=1 is set, no decoder starts.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.limits import DECODER_CPU_SECONDS, DECODER_MEGABYTES, REQUIRE_SANDBOX

if TYPE_CHECKING:
    from landlockpy import Ruleset
    from seccompy import Filter

ON_LINUX = sys.platform == "linux"
FULL_ABI = 6  # of Landlock: it restricts signals and abstract sockets from this version on
PR_SET_DUMPABLE = 4  # <linux/prctl.h>
MAX_OPEN_FILES = 64
MAX_ADDRESSES = 64 << 30  # bytes of address space: more would take gigabytes of page tables


class SandboxError(Exception):
    """The sandbox is incomplete and must not be; the message is one sentence."""


@dataclass
class Guards:
    """What this system has to lock a process with."""

    landlock: bool = False
    filters: dict[bool, Filter] = field(default_factory=dict)  # by whether files can be opened; empty without seccomp
    missing: list[str] = field(default_factory=list)

    def lack(self, guard: str, error: OSError) -> None:
        self.missing.append(f"the kernel or its container has no {guard} ({error.strerror})")


_guards = Guards()  # as drop_spare_rights() found them


def drop_spare_rights() -> None:
    """Keep only what a process needs that reads files and forks decoders, and find out which guards there are.

    Raises SandboxError if some are missing and all are required.
    """
    with suppress(ImportError):
        import resource  # noqa: F401 (limit_resources() could not import it afterwards)
    if ON_LINUX:
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)  # other processes of the user cannot look into this one
        _look_for_landlock()
        _look_for_seccomp()
        _restrict_to_serving()
    else:
        _guards.missing.append(f"{sys.platform} has neither Landlock nor seccomp")
    if _guards.missing and REQUIRE_SANDBOX:
        raise SandboxError(f"UNROLL_REQUIRE_SANDBOX is set, and {', '.join(_guards.missing)}.")


def missing_guards() -> tuple[str, ...]:
    """What drop_spare_rights() found missing."""
    return tuple(_guards.missing)


def lock(folder: Path | None = None) -> None:
    """Keep only memory, threads and the open descriptors. A ``folder`` can be read, and the files its links lead to.

    Raises OSError if it cannot be done.
    """
    limit_resources()
    if not ON_LINUX:
        return
    if _guards.landlock:
        with _ruleset() as ruleset:
            if folder is not None:
                _allow_reading(folder, ruleset)
            ruleset.restrict()
    if _guards.filters:
        _guards.filters[folder is not None].load()


def limit_resources() -> None:
    """Limits that the system has; where it has none, the parent ends a process that takes too long."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = {
        "RLIMIT_DATA": DECODER_MEGABYTES * 10**6,
        "RLIMIT_AS": MAX_ADDRESSES,
        "RLIMIT_CPU": DECODER_CPU_SECONDS,
        "RLIMIT_FSIZE": 0,  # it has nothing to write
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": MAX_OPEN_FILES,
    }
    for name, most in limits.items():
        number = getattr(resource, name)
        _, limit = resource.getrlimit(number)  # it may be lower already, and cannot be raised
        limit = most if limit == resource.RLIM_INFINITY else min(most, limit)
        try:
            resource.setrlimit(number, (limit, limit))
        except (OSError, ValueError):  # macOS knows all the names, and refuses some of the limits
            if ON_LINUX:
                raise


def close_all_but(*kept: int) -> None:
    """Close every other descriptor from 3 on."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in kept:
            with suppress(OSError):  # it was the listing itself
                os.close(int(name))


def _look_for_landlock() -> None:
    import landlockpy

    try:
        abi = landlockpy.abi_version()
    except OSError as error:
        _guards.lack("Landlock", error)
        return
    _guards.landlock = True
    if abi < FULL_ABI:
        _guards.missing.append(f"Landlock of the kernel is version {abi}, older than {FULL_ABI}")


def _look_for_seccomp() -> None:
    import seccompy

    from pipeline.sandbox.system_calls import decoding_filter

    try:
        if not seccompy.supported():
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        _guards.filters = {opens_files: decoding_filter(opens_files) for opens_files in (False, True)}
        for each in _guards.filters.values():
            _ = each.program  # compiled once, not in every child
    except OSError as error:
        _guards.lack("seccomp", error)


def _restrict_to_serving() -> None:
    """After both guards were looked for: the libraries find the C library by programs that cannot be run then."""
    try:
        if _guards.landlock:
            from landlockpy import AccessFS

            with _ruleset(kept=AccessFS.READ_FILE | AccessFS.READ_DIR) as ruleset:
                ruleset.restrict()
    except OSError as error:
        _guards.landlock = False
        _guards.lack("Landlock", error)
    try:
        if _guards.filters:
            from pipeline.sandbox.system_calls import serving_filter

            serving_filter().load()
    except OSError as error:
        _guards.filters = {}
        _guards.lack("seccomp", error)


def _ruleset(kept: int = 0) -> Ruleset:
    """Refuses all that the kernel can refuse, but the ``kept`` rights on files (AccessFS)."""
    from landlockpy import AccessFS, Ruleset, Scope

    every = AccessFS(sum(AccessFS))  # the library leaves out those that the kernel does not know
    return Ruleset(handled_fs=every & ~AccessFS(kept), scoped=Scope.ABSTRACT_UNIX_SOCKET | Scope.SIGNAL)


def _allow_reading(folder: Path, ruleset: Ruleset) -> None:
    from landlockpy import AccessFS

    ruleset.allow_path(folder, AccessFS.READ_FILE | AccessFS.READ_DIR)
    for path in folder.iterdir():
        if path.is_symlink() and path.is_file():
            ruleset.allow_path(path, AccessFS.READ_FILE)
