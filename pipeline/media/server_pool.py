"""Fork servers (sandbox/fork_server.py): processes with all imports of a decoder, which fork a child for each job.

A fresh child costs milliseconds; a fresh server about half a second.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
from io import BufferedReader, FileIO
from typing import Any

from pipeline.media.child_start import missing_guards, start_options, start_problem
from pipeline.sandbox.child import FIRST_WORDS
from pipeline.sandbox.messages import PIPE_BYTES

MODULE = "pipeline.sandbox.fork_server"
PATIENCE = 2.0  # seconds that an idle server is given to end


class ForkServer:
    """A process that forks a child for each job; one job at a time."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                **start_options(MODULE, str(theirs.fileno())),
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # so that it and its child can be killed together
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except OSError:
            self._socket.close()
            raise
        finally:
            theirs.close()
        _running.add(self)

    def send(self, job: dict[str, Any]) -> BufferedReader:
        """Start a child; -> the pipe that it writes to. The child gets the opened file, and no right to open another.
        Raises OSError if the server is gone, or the file."""
        readable, *passed = os.pipe()
        try:
            if not os.path.isdir(job["path"]):
                passed.append(os.open(job["path"], os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
            socket.send_fds(self._socket, [json.dumps(job).encode()], passed)
        except OSError:
            os.close(readable)
            raise
        finally:
            for descriptor in passed:
                os.close(descriptor)
        return BufferedReader(FileIO(readable, "rb"), PIPE_BYTES)

    def is_running(self) -> bool:
        return self._process.poll() is None

    def start_problem(self) -> str | None:
        """Why it could not start, if it could not; to be asked when it has ended, or a child has."""
        try:
            return start_problem(self._socket.recv(FIRST_WORDS, socket.MSG_DONTWAIT | socket.MSG_PEEK))
        except BlockingIOError:
            return None
        except OSError:
            return start_problem(b"")

    def missing_guards(self) -> list[str]:
        """What this system lacks to lock its children. Waits until it is ready; raises OSError if it cannot start."""
        return missing_guards(self._socket.recv(FIRST_WORDS, socket.MSG_PEEK))

    def has_begun(self) -> None:
        """Its child has sent the first message."""

    def give_back(self) -> None:
        """It has no child any more: somebody else may take it."""
        _idle.put(self)

    def end(self) -> None:
        """Close the socket, wait for the process to exit, then kill it. For an idle server."""
        self._socket.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE)
        self.kill()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._socket.close()
        _running.discard(self)


_idle: queue.LifoQueue[ForkServer] = queue.LifoQueue()
_running: set[ForkServer] = set()


@atexit.register
def end_all() -> None:
    """No server outlives this process. The processor time of idle ones is then counted as that of this process."""
    with contextlib.suppress(queue.Empty):
        while True:
            _idle.get_nowait().end()
    for server in tuple(_running):
        server.kill()


def take_server() -> ForkServer:
    """An idle fork server, or a new one. Raises OSError if none can be started."""
    with contextlib.suppress(queue.Empty):
        while True:
            server = _idle.get_nowait()
            if server.is_running():
                return server
            server.kill()
    return ForkServer()
