"""The host's log says what the sandbox of the decoders lacks, and that no decoder starts."""

from __future__ import annotations

import logging

import pytest

from views.hosting import sandbox_log


@pytest.fixture
def logged(monkeypatch) -> list[str]:
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    monkeypatch.setattr(sandbox_log.log, "handlers", [handler])
    return lines


def test_what_is_missing_is_one_line(logged, monkeypatch):
    monkeypatch.setattr(sandbox_log, "missing_guards", lambda: ["no Landlock", "no seccomp"])
    sandbox_log._report()
    monkeypatch.setattr(sandbox_log, "missing_guards", list)
    sandbox_log._report()
    assert logged == ["The sandbox of the decoders is incomplete: no Landlock; no seccomp (docs/hosting.md)."]


def test_a_decoder_that_cannot_start_is_one_line(logged, monkeypatch):
    def fail() -> list[str]:
        raise OSError("UNROLL_REQUIRE_SANDBOX is set, and the kernel has no Landlock.")

    monkeypatch.setattr(sandbox_log, "missing_guards", fail)
    sandbox_log._report()
    (line,) = logged
    assert line.endswith("UNROLL_REQUIRE_SANDBOX is set, and the kernel has no Landlock.")
