from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from pipeline.__main__ import main
from pipeline.media import read_clip

ROOT = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path, bikes):
    """Frames of a real clip as a folder of images."""
    (tmp_path / "frames").mkdir()
    for frame in read_clip(bikes).frames[:6]:
        Image.fromarray(frame.image).save(tmp_path / "frames" / f"{frame.index:03}.jpg")
    return tmp_path / "frames"


def lines(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_json_has_a_line_for_every_path_and_errors_stop_nothing(capsys, tmp_path, bikes, cat, folder):
    (tmp_path / "notes.mp4").write_text("buy milk")
    paths = [str(p) for p in (bikes, tmp_path / "notes.mp4", cat, folder)]
    assert main(["action", *paths, "--json"]) == 1
    clip, bad, photo, frames = lines(capsys)
    assert [line["input"] for line in (clip, bad, photo, frames)] == paths
    assert set(bad) == {"input", "error"}
    assert "notes.mp4" in bad["error"]
    for line, steps in ((clip, len(read_clip(bikes).frames)), (photo, 1), (frames, 6)):
        assert {"input", "label", "probability", "top", "steps"} <= set(line)
        assert len(line["steps"]) == steps
        assert len(line["top"]) == 5
        assert line["top"][0] == [line["label"], line["probability"]]
        assert line["steps"][-1]["label"] == line["label"]
        assert line["steps"][-1]["probability"] == line["probability"]
        assert [step["time"] for step in line["steps"]] == sorted(step["time"] for step in line["steps"])


def test_the_cell_can_be_chosen(capsys, cat):
    answers = []
    for name in ("lstm", "rnn"):
        assert main(["action", str(cat), "--cell", name, "--json"]) == 0
        answers.append(lines(capsys)[0]["top"])
    assert answers[0] != answers[1]


def test_the_table_is_for_people(capsys, monkeypatch, bikes):
    monkeypatch.chdir(bikes.parent)
    assert main(["action", "bikes.mp4", "absent.mp4"]) == 1
    told = capsys.readouterr()
    assert "probability" in told.out
    assert "bikes.mp4" in told.out
    assert "absent.mp4: there is no such file." in told.err
    assert "absent" not in told.out


def test_as_a_program_from_anywhere(tmp_path, concert):
    """A process of its own: clean output on stdout, one sentence for a bad file, exit status 1, nothing left behind."""
    shutil.copy(concert, tmp_path / "clip.mp4")
    (tmp_path / "tmp").mkdir()
    run = subprocess.run(
        [sys.executable, "-m", "pipeline", "action", "absent.mp4", "clip.mp4", "--json"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path / "tmp")},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 1
    absent, clip = map(json.loads, run.stdout.splitlines())
    assert absent == {"input": "absent.mp4", "error": "absent.mp4: there is no such file."}
    assert clip["label"] == "performing music"
    assert run.stderr == ""
    assert not list((tmp_path / "tmp").iterdir())
