"""Decodes each file in a child process, so that a file that breaks the decoder breaks nothing else.

    parent                            fork server                      child
    DecoderJob ── job, pipe, file ──▶ forks ─────────────────────────▶ locks itself, decodes, writes frames, ends
                  ◀──────────────────────────────────── pipe ──────────┘

One child decodes one file; what it gives up first is in sandbox/lockdown.py. Without fork a worker takes the place of
the child (media/decoders.py). It writes messages into its pipe (sandbox/messages.py) while it is still decoding. The
parent trusts none of them: it checks sizes before it takes memory, and kills a child that is too slow or sends anything
else.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Generator
from io import BufferedReader
from pathlib import Path
from typing import Any

from pipeline.limits import DECODER_SECONDS
from pipeline.media.clip import ClipStream
from pipeline.media.decoders import Decoder, take_decoder
from pipeline.sandbox.messages import ClipEnd, MediaError, Message, MessageValidator, ProtocolError, read_message

MESSAGES_PER_STEP = 16  # that a child may send: some files are read more than once, and their frames sent again
WAIT_INTERVAL = 0.2  # seconds between two calls of ``on_wait``

OnWait = Callable[[], None]


def ignore_wait() -> None:
    """Default ``on_wait`` callback; does nothing."""


def start_decoding(path: Path, max_steps: int, name: str, on_wait: OnWait = ignore_wait) -> ClipStream:
    """Start a child that decodes the file. Returns the stream of its frames.

    ``on_wait`` is called about five times a second while the caller waits for a frame. An exception from it cancels
    decoding. Iterating raises MediaError for whatever the child could not do.
    """
    job = {"task": "frames", "path": str(path), "max_steps": max_steps, "name": name}
    work = DecoderJob(job, on_wait, MESSAGES_PER_STEP * max_steps)
    return ClipStream(work.messages(), work.ready, work.end)


def make_browser_copy(path: Path, name: str, on_wait: OnWait = ignore_wait) -> bytes:
    """A copy of the video that every browser plays, made by a child. ``on_wait`` and errors as in start_decoding()."""
    (copy,) = DecoderJob({"task": "copy", "path": str(path), "name": name}, on_wait, 1).messages()
    return copy


class DecoderJob:
    """One child and its pipe. A thread empties the pipe, so the child never waits for the reader of its messages."""

    def __init__(self, job: dict[str, Any], on_wait: OnWait, max_messages: int) -> None:
        self._name, self._on_wait, self._max_messages = job["name"], on_wait, max_messages
        self._validator = MessageValidator(job)
        self._arrived: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._lock, self._timed_out = threading.Lock(), False
        self._watchdog = threading.Timer(DECODER_SECONDS, self._time_out)
        self._watchdog.daemon = True
        self._decoder: Decoder | None = None
        try:
            self._decoder = take_decoder()
            pipe = self._decoder.send(job)
        except OSError as error:
            problem = None if self._decoder is None else self._decoder.start_problem()
            self.end()
            raise MediaError(self._without_decoder(problem or error.strerror or "")) from error
        self._watchdog.start()
        threading.Thread(target=self._receive, args=(pipe, self._decoder), daemon=True).start()

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
        """Kill the decoding process, unless its final message has arrived."""
        self._release(False)

    def ready(self) -> bool:
        """Whether a message has arrived that was not taken yet."""
        return not self._arrived.empty()

    def _next(self) -> Message:
        while True:
            try:
                return self._arrived.get(timeout=WAIT_INTERVAL)
            except queue.Empty:
                self._on_wait()

    def _receive(self, pipe: BufferedReader, decoder: Decoder) -> None:
        """In the thread: until the final message and the end of the child, or a message that makes no sense."""
        has_begun = False
        try:
            with pipe:
                for _ in range(self._max_messages):
                    message = read_message(pipe)
                    self._validator.check(message)
                    if not has_begun:
                        decoder.has_begun()
                    has_begun = True
                    if isinstance(message, ClipEnd | bytes | MediaError):
                        self._release(reuse=not pipe.read(1))  # the pipe's end is the child's
                        self._arrived.put(message)
                        return
                    self._arrived.put(message)
            raise ProtocolError
        except Exception:  # whatever a hostile child can make json, numpy or Pillow raise
            problem = None
            if not has_begun:
                with contextlib.suppress(ValueError):  # its pipes were closed meanwhile, by the watchdog or end()
                    problem = decoder.start_problem()
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
        """Part with the decoder, once: give it back, or kill it."""
        with self._lock:
            decoder, self._decoder = self._decoder, None
        self._watchdog.cancel()
        if decoder is not None and reuse:
            decoder.give_back()
        elif decoder is not None:
            decoder.kill()
