"""Which system calls a process may make that decodes files, and the one that forks it (Linux, seccomp).

All others fail with EPERM. They do not kill the process: a library may ask for something harmless that it can do
without, and then the video is still read. Calls of another architecture kill it.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from contextlib import suppress

from seccompy import Action, ArgCmp, CmpOp, Filter, FilterFlag

# What decoding needs: memory, threads, the clock, and descriptors that are open already.
DECODING = (
    "read readv pread64 write writev lseek close dup fstat poll ppoll select pselect6 munmap mremap brk madvise futex "
    "set_robust_list rseq set_tid_address gettid getpid sched_yield sched_getaffinity rt_sigaction rt_sigprocmask "
    "rt_sigreturn sigaltstack clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time getrandom exit "
    "exit_group restart_syscall getrusage getrlimit uname sysinfo getcpu membarrier"
).split()
# What reading a folder needs in addition. Landlock decides which folder.
OPENING = "open openat stat lstat newfstatat statx access faccessat faccessat2 readlink readlinkat getdents64".split()
# What a fork server needs in addition, to fork children and to lock them.
SERVING = (
    "fork wait4 kill recvmsg sendto pipe2 dup2 dup3 close_range setrlimit prlimit64 prctl fcntl ioctl "
    "seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self"
).split()

# <linux/mman.h>, <linux/sched.h>, <linux/prctl.h>, <linux/fcntl.h>, <asm/ioctls.h>
PROT_EXEC, MAP_PRIVATE, MAP_KIND, MAP_GROWSDOWN = 0x4, 0x2, 0xF, 0x100
CLONE_THREAD, CLONE_NEW = 0x10000, 0x7E020000
PR_SET_NAME, AT_EMPTY_PATH = 15, 0x1000
FIONCLEX, FIOCLEX = 0x5450, 0x5451
F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC = 0, 1, 2, 3, 1030


def decoding_filter(opens_files: bool = False) -> Filter:
    """For a process that decodes: no new process, no program, no signal, no socket, and, unless it ``opens_files``, no
    path. Its threads have the filter too."""
    calls = _filter([*DECODING, *(OPENING if opens_files else ())])
    calls.allow("clone", args=[_masked(0, CLONE_THREAD | CLONE_NEW, CLONE_THREAD)])
    calls.allow("prctl", args={0: PR_SET_NAME})
    calls.allow("prlimit64", args={0: 0, 2: 0})  # to ask for a limit
    for request in (FIONCLEX, FIOCLEX):
        calls.allow("ioctl", args={1: request})
    for command in (F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_DUPFD_CLOEXEC):
        calls.allow("fcntl", args={1: command})
    if not opens_files:
        calls.allow("newfstatat", args=[_masked(3, AT_EMPTY_PATH, AT_EMPTY_PATH)])  # C libraries' fstat
    return calls


def serving_filter() -> Filter:
    """For a process that forks decoders: no program, no socket but the one it has, no new namespace."""
    calls = _filter([*DECODING, *OPENING, *SERVING])
    calls.allow("clone", args=[_masked(0, CLONE_NEW, 0)])
    return calls


def _filter(names: Iterable[str]) -> Filter:
    calls = Filter(Action.ERRNO | errno.EPERM, flags=FilterFlag.TSYNC)
    for name in names:
        with suppress(ValueError):  # some calls exist on one processor only
            calls.allow(name)
    # Private memory counts against RLIMIT_DATA; memory that is shared, or grows like a stack, would not. Nothing that
    # was written can be executed.
    calls.allow("mmap", args=[_masked(2, PROT_EXEC, 0), _masked(3, MAP_KIND | MAP_GROWSDOWN, MAP_PRIVATE)])
    calls.allow("mprotect", args=[_masked(2, PROT_EXEC, 0)])
    calls.errno("clone3", errno.ENOSYS)  # C libraries then use clone, whose flags a filter can see
    return calls


def _masked(argument: int, mask: int, value: int) -> ArgCmp:
    return ArgCmp(argument, CmpOp.MASKED_EQ, value, mask)
