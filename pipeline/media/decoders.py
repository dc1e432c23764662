"""The processes that decode, and the one place that chooses their kind: forked on Linux, workers elsewhere."""

from __future__ import annotations

from io import BufferedReader
from typing import Any, Protocol

from pipeline.limits import DECODER
from pipeline.media.server_pool import take_server
from pipeline.media.worker_pool import take_worker


class Decoder(Protocol):
    """A process that does one job at a time; see ForkServer and Worker."""

    def send(self, job: dict[str, Any]) -> BufferedReader: ...
    def start_problem(self) -> str | None: ...
    def missing_guards(self) -> list[str]: ...
    def has_begun(self) -> None: ...
    def give_back(self) -> None: ...
    def kill(self) -> None: ...


def take_decoder() -> Decoder:
    """A process that has no job. Raises OSError if none can be started."""
    return take_server() if DECODER == "fork" else take_worker()


def missing_guards() -> list[str]:
    """The guards that decoding processes lack on this system, in words; empty if they have all (sandbox/lockdown.py).
    Starts a decoder and waits until it is ready. Raises OSError with the reason if it cannot start."""
    decoder = take_decoder()
    try:
        missing = decoder.missing_guards()
    except OSError:
        decoder.kill()
        raise
    decoder.give_back()
    return missing
