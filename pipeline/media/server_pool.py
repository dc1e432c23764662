"""Fork servers (sandbox/fork_server.py): processes with all imports of a decoder, which fork a child for each job.

A server has no secrets in its environment. A fresh child costs milliseconds; a fresh server about half a second.
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
import sys
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Any

from pipeline.sandbox.fork_server import FIRST_WORDS, READY
from pipeline.sandbox.messages import PIPE_BYTES

ROOT = Path(__file__).resolve().parents[2]
INHERITED_ENV = ("PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV")  # no child needs more
PATIENCE = 2.0  # seconds that an idle server is given to end


class ForkServer:
    """A process that forks a child for each job; one job at a time."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        inherited = {name: os.environ[name] for name in INHERITED_ENV if name in os.environ}
        inherited |= {name: value for name, value in os.environ.items() if name.startswith("UNROLL_")}
        # Packages are where this process finds them: PYTHONPATH, a user's own folder, whatever added to sys.path.
        inherited["PYTHONPATH"] = os.pathsep.join(os.path.abspath(folder) for folder in sys.path)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pipeline.sandbox.fork_server", str(theirs.fileno())],
                cwd=ROOT,
                env={**inherited, "OPENBLAS_NUM_THREADS": "1"},
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
        """Start a child; -> the pipe that it writes to. Raises OSError if the server is gone."""
        readable, writable = os.pipe()
        try:
            socket.send_fds(self._socket, [json.dumps(job).encode()], [writable])
        except OSError:
            os.close(readable)
            raise
        finally:
            os.close(writable)
        return BufferedReader(FileIO(readable, "rb"), PIPE_BYTES)

    def is_running(self) -> bool:
        return self._process.poll() is None

    def start_problem(self) -> str | None:
        """Why it could not start, if it could not; to be asked when it has ended, or a child has."""
        try:
            words = self._socket.recv(FIRST_WORDS, socket.MSG_DONTWAIT | socket.MSG_PEEK)
        except BlockingIOError:
            return None
        except OSError:
            words = b""
        if words.startswith(READY):
            return None
        return " ".join(words.decode(errors="replace").split()) or "it ended at once"

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


def give_back(server: ForkServer) -> None:
    """The server has no child any more: somebody else may take it."""
    _idle.put(server)
