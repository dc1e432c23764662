"""Decoding in a child process, so that a file that breaks the decoder breaks nothing else.

    parent                            fork server                      child
    decoded(path) ── job, pipe ─────▶ forks ─────────────────────────▶ limits itself, decodes, writes frames, ends
                  ◀──────────────────────────────────── pipe ──────────┘

One child decodes one file. It writes messages into its pipe (sandbox/messages.py) while it is still decoding. The parent
believes none of them: sizes are checked before memory is taken, and a child that sends nothing sensible in time is
killed.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import IO, Any

from pipeline.limits import DECODER_SECONDS
from pipeline.media.clip import ClipStream
from pipeline.media.server_pool import ForkServer, give_back, take_server
from pipeline.sandbox.messages import ClipEnd, MediaError, Message, MessageValidator, ProtocolError, read_message

MESSAGES_PER_STEP = 16  # that a child may send: some files are read more than once, and their frames sent again
TICK = 0.2  # seconds between two calls of ``tick``

OnWait = Callable[[], None]


def ignore_wait() -> None:
    """Default ``tick``; does nothing."""


def start_decoding(path: Path, max_steps: int, name: str, on_wait: OnWait = ignore_wait) -> ClipStream:
    """The file's frames while a child, which begins at once, decodes them.

    ``tick`` is called about five times a second while the caller waits for a frame. An exception from it cancels
    decoding. Iterating raises MediaError for whatever the child could not do.
    """
    job = {"task": "frames", "path": str(path), "max_steps": max_steps, "name": name}
    work = DecoderJob(job, on_wait, MESSAGES_PER_STEP * max_steps)
    return ClipStream(work.messages(), work.ready, work.end)


def make_browser_copy(path: Path, name: str, on_wait: OnWait = ignore_wait) -> bytes:
    """A copy of the video in a form that every browser plays, made by a child. Raises and ticks as decoded()."""
    (copy,) = DecoderJob({"task": "copy", "path": str(path), "name": name}, on_wait, 1).messages()
    return copy


class DecoderJob:
    """One child. A thread empties its pipe, so that the child never waits for whoever uses its messages."""

    def __init__(self, job: dict[str, Any], on_wait: OnWait, max_messages: int) -> None:
        self._name, self._tick, self._max_messages = job["name"], on_wait, max_messages
        self._validator = MessageValidator(job)
        self._arrived: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._lock, self._timed_out = threading.Lock(), False
        self._watchdog = threading.Timer(DECODER_SECONDS, self._time_out)
        self._watchdog.daemon = True
        self._server: ForkServer | None = None
        try:
            self._server = take_server()
            pipe = self._server.send(job)
        except OSError as error:
            problem = None if self._server is None else self._server.start_problem()
            self.end()
            raise MediaError(self._without_decoder(problem or error.strerror or "")) from error
        self._watchdog.start()
        threading.Thread(target=self._receive, args=(pipe, self._server), daemon=True).start()

    def messages(self) -> Generator[Any, None, None]:
        """The child's messages in order. Closing the generator ends the child."""
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
        """Kill the child and its fork server, unless its final message has arrived."""
        self._release(False)

    def ready(self) -> bool:
        """Whether a message has arrived that was not taken yet."""
        return not self._arrived.empty()

    def _next(self) -> Message:
        while True:
            try:
                return self._arrived.get(timeout=TICK)
            except queue.Empty:
                self._tick()

    def _receive(self, pipe: IO[bytes], server: ForkServer) -> None:
        """In the thread: until the final message and the end of the child, or a message that makes no sense."""
        has_begun = False
        try:
            with pipe:
                for _ in range(self._max_messages):
                    message = read_message(pipe)
                    self._validator.check(message)
                    has_begun = True
                    if isinstance(message, ClipEnd | bytes | MediaError):
                        self._release(reuse=not pipe.read(1))  # the pipe's end is the child's
                        self._arrived.put(message)
                        return
                    self._arrived.put(message)
            raise ProtocolError
        except Exception:  # whatever a hostile child can make json, numpy or Pillow raise
            problem = None if has_begun else server.start_problem()
            self._release(False)
            self._arrived.put(MediaError(self._failure(problem)))

    def _failure(self, problem: str | None) -> str:
        if self._timed_out:
            return f"{self._name} takes longer to decode than {DECODER_SECONDS} s."
        if problem:
            return self._without_decoder(problem)
        return f"{self._name} could not be decoded: it is damaged, or not what it seems."

    def _without_decoder(self, problem: str) -> str:
        reason = f" ({problem.rstrip('.')})" if problem else ""
        return f"{self._name} could not be opened: the decoder process cannot start{reason}."

    def _time_out(self) -> None:
        self._timed_out = True
        self._release(False)

    def _release(self, reuse: bool) -> None:
        """Part with the server, once: give it back, or kill it together with its child."""
        with self._lock:
            server, self._server = self._server, None
        self._watchdog.cancel()
        if server is not None and reuse:
            give_back(server)
        elif server is not None:
            server.kill()
