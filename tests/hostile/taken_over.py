"""A decoding process that somebody has taken over: it runs hostile code where a file would be decoded.

    python -m tests.hostile.taken_over [SOCKET]      # as pipeline.sandbox.fork_server; without SOCKET as .worker

The name of a job is a JSON list: an attack and its arguments. What became of it comes back as the job's error:
"done: ..." or "refused: ERRNO". UNROLL_TEST_WITHOUT names guards that are taken away first, UNROLL_TEST_LACKS those
that the system seems not to have.
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import socket
import stat
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import landlockpy
import seccompy

from pipeline.sandbox import child, fork_server, lockdown, worker
from pipeline.sandbox.messages import MediaError

MEGABYTES = 10**6
PORT = 47831  # that nobody listens to; Landlock does not ask about port 0
libc = ctypes.CDLL(None, use_errno=True)


def checked(result: int) -> int:
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def read_file(path: str) -> object:
    with open(path, "rb", buffering=0) as file:
        return len(file.read(10))


def open_file(path: str) -> object:
    with open(path, "rb", buffering=0) as file:
        return file.fileno()


def write_file(path: str) -> object:
    with open(path, "wb", buffering=0) as file:
        return file.write(b"x")


def list_folder(path: str) -> object:
    return len(os.listdir(path))


def connect_tcp(port: int) -> object:
    with socket.socket() as connection:
        return connection.connect(("127.0.0.1", port))


def listen_tcp() -> object:
    with socket.socket() as server:
        return server.bind(("127.0.0.1", PORT))


def connect_unix(path: str) -> object:
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect(path.replace("@", "\0"))


def run_program(path: str) -> object:
    os.execv(path, [path])


def fork() -> object:
    if (process := os.fork()) == 0:
        os._exit(0)
    return os.waitpid(process, 0)


def trace(process: int) -> object:
    attach, detach = 16, 17  # <sys/ptrace.h>
    checked(libc.ptrace(attach, process, None, None))
    os.waitpid(process, 0)
    return libc.ptrace(detach, process, None, None)


def send_signal(process: int) -> object:
    return os.kill(process, 0)


def signal_parent() -> object:
    return os.kill(os.getppid(), 0)


def read_memory_of(process: int) -> object:
    buffer = ctypes.create_string_buffer(8)
    here = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 8)
    # Both are forks of programs without address randomisation in common, so an unmapped address is as good: EFAULT
    # comes after the question of rights.
    there = (ctypes.c_void_p * 2)(4096, 8)
    result = libc.process_vm_readv(process, here, 1, there, 1, 0)
    if result == -1 and ctypes.get_errno() != errno.EFAULT:
        checked(result)
    return "allowed"


def system_call(name: str, *arguments: int) -> object:
    """Done unless it is not permitted: whatever else is wrong with the arguments."""
    if libc.syscall(seccompy.syscall_nr(name), *arguments) == -1 and ctypes.get_errno() == errno.EPERM:
        checked(-1)
    return "allowed"


def allocate(megabytes: int) -> object:
    return len(bytearray(megabytes * MEGABYTES))


def allocate_shared(megabytes: int) -> object:
    with mmap.mmap(-1, megabytes * MEGABYTES) as memory:
        return len(memory)


def allocate_stack(megabytes: int) -> object:
    grows_down = 0x100
    with mmap.mmap(-1, megabytes * MEGABYTES, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | grows_down) as memory:
        return len(memory)


def make_code() -> object:
    with mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ | mmap.PROT_EXEC) as memory:
        return len(memory)


def spin() -> object:
    while True:
        pass


def sleep() -> object:
    time.sleep(600)


def find_sockets() -> object:
    """Refused, in the words of this test, if none of the descriptors is a socket."""
    for descriptor in range(3, 1000):
        try:
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                return descriptor
        except OSError:
            continue
    raise OSError(errno.EBADF, "no socket")


ATTACKS: dict[str, Callable[..., object]] = {
    attack.__name__: attack
    for attack in (
        *(read_file, open_file, write_file, list_folder, connect_tcp, listen_tcp, connect_unix, run_program, fork),
        *(trace, send_signal, signal_parent, read_memory_of, system_call, allocate, allocate_shared, allocate_stack),
        *(make_code, spin, sleep, find_sockets),
    )
}


def attack(job: dict[str, Any], file: object) -> Iterable[Any]:
    """In place of child.messages()."""
    name, *arguments = json.loads(job["name"])
    if name == "lie":
        return [b"bytes that nobody asked for", MediaError("refused: the lie was believed")]
    try:
        outcome = ATTACKS[name](*arguments)
    except MemoryError as error:
        raise MediaError("refused: ENOMEM") from error
    except OSError as error:
        raise MediaError(f"refused: {errno.errorcode[error.errno]}") from error
    raise MediaError(f"done: {outcome}")


def take_away(guards: list[str]) -> None:
    functions = {
        "landlock": "_look_for_landlock",
        "seccomp": "_look_for_seccomp",
        "limits": "limit_resources",
        "descriptors": "close_all_but",
    }
    for guard in guards:
        setattr(lockdown, functions[guard], lambda *ignored: None)


def lack(guards: list[str]) -> None:
    """As on a system whose kernel, or container, does not have them."""

    def missing(*ignored: object) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    if "landlock" in guards:
        landlockpy.abi_version = missing
    if "seccomp" in guards:
        seccompy.supported = missing


if __name__ == "__main__":
    take_away(os.environ.get("UNROLL_TEST_WITHOUT", "").split())
    lack(os.environ.get("UNROLL_TEST_LACKS", "").split())
    child.messages = attack
    if len(sys.argv) > 1:
        fork_server.main()
    else:
        worker.main()
