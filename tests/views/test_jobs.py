"""What a visitor's job leaves behind: no file, whatever ends it, and one line that says nothing about the visitor."""

from __future__ import annotations

import json
import os
from contextlib import AbstractContextManager, nullcontext

import pytest

from pipeline.sandbox.messages import MediaError
from views.hosting import uploads
from views.hosting.job_log import job, log
from views.hosting.uploads import private_file, sweep


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    sweep.cache_clear()
    yield tmp_path
    sweep.cache_clear()


def end(ending: BaseException | None) -> None:
    if ending is not None:
        raise ending


def ended(ending: BaseException | None) -> AbstractContextManager:
    """Expects the way that a job ends: by itself, or by what is raised."""
    return nullcontext() if ending is None else pytest.raises(type(ending))


@pytest.mark.parametrize("ending", [None, MediaError("x"), KeyboardInterrupt(), SystemExit()])
def test_no_file_is_left_whatever_ends_the_job(folder, ending):
    with ended(ending), private_file(b"abc") as path:
        assert path.read_bytes() == b"abc"
        assert path.parent.stat().st_mode & 0o077 == 0
        end(ending)
    assert not list(folder.iterdir())


def test_what_a_crash_left_is_swept_and_what_others_use_is_not(folder):
    gone = folder / f"{uploads.PREFIX}999999999-abc"
    before = folder / f"{uploads.PREFIX}{os.getpid()}-abc"  # of a process that had our number, in a container say
    others, foreign = folder / f"{uploads.PREFIX}1-abc", folder / "something-else"
    for each in (gone, before, others, foreign):
        each.mkdir()
        (each / "upload").write_bytes(b"x")
    with private_file(b"abc") as path:
        assert path.exists()
    assert {each.name for each in folder.iterdir()} == {others.name, foreign.name}


@pytest.mark.parametrize(
    ("ending", "outcome"),
    [
        (None, "read"),
        (MediaError("secret.mp4 is bad."), "refused"),
        (ValueError("secret"), "failed"),
        (KeyboardInterrupt(), "stopped"),
    ],
)
def test_a_job_is_one_line_without_a_visitors_words(ending, outcome, monkeypatch):
    lines: list[str] = []
    monkeypatch.setattr(log, "info", lines.append)

    with ended(ending), job(3) as noted:
        noted.stage("decode")
        noted.stage("encode")
        end(ending)
    (line,) = lines
    told = json.loads(line)
    assert told["outcome"] == outcome
    assert told["bytes"] == 3
    assert {"decode_s", "encode_s", "job"} <= set(told)
    assert "secret" not in line
    assert "\n" not in line
