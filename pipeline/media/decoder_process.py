"""Decoding in a child process, so that a file that breaks the decoder breaks nothing else.

    parent                            nursery                          child
    decoded(path) ── job, pipe ─────▶ forks ─────────────────────────▶ limits itself, decodes, writes frames, ends
                  ◀──────────────────────────────────── pipe ──────────┘

The nursery (sandbox/fork_server.py) is a process without secrets in its environment that has imported what decoding
needs, so that a fresh child costs milliseconds: one for every file, ended with it. All it says comes through its pipe:
a line of JSON, then the bytes that the line announces, again and again, while it is still decoding. The parent
believes none of it: sizes are checked before memory is taken, and a child that says nothing sensible in time is killed.
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
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import IO, Any

from pipeline.limits import DECODER_SECONDS
from pipeline.media.clip import ClipStream
from pipeline.sandbox.fork_server import PIPE_BYTES
from pipeline.sandbox.messages import ClipEnd, MediaError, Message, MessageValidator, ProtocolError, read_message

ROOT = Path(__file__).resolve().parents[2]
MESSAGES_PER_STEP = 16  # that a child may send: a file that lies about its length is given out more than once
TICK = 0.2  # seconds
INHERITED_ENV = ("PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV")  # no child needs more

OnWait = Callable[[], None]


def ignore_wait() -> None:
    """The tick of somebody who cannot be disturbed."""


def start_decoding(path: Path, max_steps: int, name: str, on_wait: OnWait = ignore_wait) -> ClipStream:
    """The file's frames while a child, which begins at once, decodes them.

    Whoever waits for one calls ``tick`` a few times a second; what it raises ends the child. Iterating raises
    MediaError for whatever the child could not do.
    """
    job = {"task": "frames", "path": str(path), "max_steps": max_steps, "name": name}
    work = DecoderJob(job, on_wait, MESSAGES_PER_STEP * max_steps)
    return ClipStream(work.messages(), work.ready, work.end)


def make_browser_copy(path: Path, name: str, on_wait: OnWait = ignore_wait) -> bytes:
    """A copy of the video in a form that every browser plays, made by a child. Raises and ticks as decoded()."""
    (copy,) = DecoderJob({"task": "copy", "path": str(path), "name": name}, on_wait, 1).messages()
    return copy


class ForkServer:
    """A process that forks a child for each job; one job at a time."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        kept = {name: os.environ[name] for name in INHERITED_ENV if name in os.environ}
        kept |= {name: value for name, value in os.environ.items() if name.startswith("UNROLL_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.sandbox.fork_server", str(theirs.fileno())],
            cwd=ROOT,
            env={**kept, "OPENBLAS_NUM_THREADS": "1"},
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # so that it and its child can be killed together
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        theirs.close()

    def send(self, job: dict[str, Any]) -> IO[bytes]:
        """Start a child; -> the pipe that it writes to. Raises OSError if the nursery is gone."""
        readable, writable = os.pipe()
        try:
            socket.send_fds(self._socket, [json.dumps(job).encode()], [writable])
        except OSError:
            os.close(readable)
            raise
        finally:
            os.close(writable)
        return os.fdopen(readable, "rb", PIPE_BYTES)

    def alive(self) -> bool:
        return self._process.poll() is None

    def end(self) -> None:
        """Let an idle one go in peace."""
        self._socket.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(2)
        self.kill()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._socket.close()


_idle: queue.LifoQueue[ForkServer] = queue.LifoQueue()


@atexit.register
def _end() -> None:
    """No nursery outlives the process that it works for, and what it used is counted as that process's."""
    with contextlib.suppress(queue.Empty):
        while True:
            _idle.get_nowait().end()


def _nursery() -> ForkServer:
    """One that nobody uses."""
    with contextlib.suppress(queue.Empty):
        nursery = _idle.get_nowait()
        if nursery.alive():
            return nursery
        nursery.kill()
    return ForkServer()


class DecoderJob:
    """One child. A thread empties its pipe, so that it never waits for whoever uses what it makes."""

    def __init__(self, job: dict[str, Any], on_wait: OnWait, most: int) -> None:
        self._name, self._tick, self._most = job["name"], on_wait, most
        self._said = MessageValidator(job)
        self._arrived: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._lock, self._late = threading.Lock(), False
        self._watchdog = threading.Timer(DECODER_SECONDS, self._stop)
        self._watchdog.daemon = True
        self._nursery: ForkServer | None = None
        try:
            self._nursery = _nursery()
            pipe = self._nursery.send(job)
        except OSError as error:
            self.end()
            raise MediaError(f"{self._name} could not be opened: there is no decoder. Please try again.") from error
        self._watchdog.start()
        threading.Thread(target=self._receive, args=(pipe,), daemon=True).start()

    def messages(self) -> Generator[Any, None, None]:
        """What the child says, one after the other. Closing the generator ends the child."""
        try:
            while True:
                message = self._next()
                if isinstance(message, MediaError):
                    raise message
                yield message
                if isinstance(message, ClipEnd | bytes):
                    return
        finally:
            self.end()

    def end(self) -> None:
        """The child, and the nursery with it, unless it has said its last word."""
        self._release(False)

    def ready(self) -> bool:
        """Whether the child has said more than was taken."""
        return not self._arrived.empty()

    def _next(self) -> Message:
        while True:
            try:
                return self._arrived.get(timeout=TICK)
            except queue.Empty:
                self._tick()

    def _receive(self, pipe: IO[bytes]) -> None:
        """In the thread: until the child has said its last word and ended, or said something that it should not."""
        try:
            with pipe:
                for _ in range(self._most):
                    message = read_message(pipe)
                    self._said.check(message)
                    if isinstance(message, ClipEnd | bytes | MediaError):
                        self._release(reuse=not pipe.read(1))  # the pipe's end is the child's
                        self._arrived.put(message)
                        return
                    self._arrived.put(message)
            raise ProtocolError
        except Exception:  # whatever a hostile child can make json, numpy or Pillow raise
            self._release(False)
            slow = f"{self._name} takes longer to decode than {DECODER_SECONDS} s."
            broken = f"{self._name} could not be decoded: it is damaged, or not what it seems."
            self._arrived.put(MediaError(slow if self._late else broken))

    def _stop(self) -> None:
        self._late = True
        self._release(False)

    def _release(self, reuse: bool) -> None:
        """Let the nursery go, once: to whoever comes next, or, with its child, for good."""
        with self._lock:
            nursery, self._nursery = self._nursery, None
        self._watchdog.cancel()
        if nursery is not None and reuse:
            _idle.put(nursery)
        elif nursery is not None:
            nursery.kill()
