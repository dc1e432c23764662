"""One line in the host's log if the processes that decode uploads cannot be locked as they should be."""

from __future__ import annotations

import logging
import sys
import threading
from functools import cache

from pipeline.media.decoders import missing_guards

log = logging.getLogger("unroll.sandbox")
if not log.handlers:
    log.addHandler(logging.StreamHandler(sys.stderr))
    log.setLevel(logging.INFO)
    log.propagate = False


@cache
def report_sandbox() -> None:
    """Once a process, and beside its other work: a decoder takes a second to start, and the first upload then finds it
    ready."""
    threading.Thread(target=_report, daemon=True).start()


def _report() -> None:
    try:
        missing = missing_guards()
    except OSError as error:
        log.error("No upload can be read, because no decoder can start: %s", error)
        return
    if missing:
        log.warning("The sandbox of the decoders is incomplete: %s (docs/hosting.md).", "; ".join(missing))
