"""What a command must not write over, and what it says of the files that it does not read."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from PIL import Image

from pipeline.__main__ import main
from pipeline.sandbox.formats import PHOTO_SUFFIXES, VIDEO_SUFFIXES
from tests.made_media import scene, write_video


@pytest.fixture
def clip(tmp_path, monkeypatch) -> Path:
    """clip.mp4 in the folder in which the commands run."""
    monkeypatch.chdir(tmp_path)
    return write_video(tmp_path / "clip.mp4", [scene(k) for k in range(5)])


NAMES = ["clip.mp4", "./clip.mp4", "linked.mp4", "hard.mp4", "folder/../clip.mp4"]


@pytest.mark.parametrize("name", [*NAMES, "absolute"])
@pytest.mark.parametrize("command", ["explain", "action", "caption", "digit"])
def test_no_input_is_written_over_under_whatever_name(clip, capsys, command, name):
    Path("linked.mp4").symlink_to("clip.mp4")
    os.link("clip.mp4", "hard.mp4")
    Path("folder").mkdir()
    before = clip.read_bytes()
    assert main([command, "clip.mp4", "--out", str(clip) if name == "absolute" else name]) == 2
    said = capsys.readouterr()
    assert "is an input; the output needs another name." in said.err
    assert (clip.read_bytes(), said.out) == (before, "")


@pytest.mark.parametrize("command", ["explain", "action"])
@pytest.mark.parametrize("content", [b"buy milk\n", b"<html></html>", b"\x00\xff"])
def test_no_file_of_somebody_else_is_written_over(clip, capsys, command, content):
    Path("notes").write_bytes(content)
    assert main([command, "clip.mp4", "--out", "notes"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert Path("notes").read_bytes() == content


def test_a_page_may_be_made_again_and_not_where_results_are(clip, capsys):
    for _ in range(2):
        assert main(["explain", "clip.mp4", "--out", "page.html"]) == 0
    assert main(["action", "clip.mp4", "--out", "page.html"]) == 2
    assert main(["action", "clip.mp4", "--out", "found.jsonl"]) == 0
    found = Path("found.jsonl").read_bytes()
    assert main(["explain", "clip.mp4", "--out", "found.jsonl"]) == 2
    assert Path("found.jsonl").read_bytes() == found
    assert sorted(path.name for path in Path().iterdir()) == ["clip.mp4", "found.jsonl", "page.html"]


def test_a_page_that_cannot_be_finished_leaves_the_older_one(clip, monkeypatch):
    assert main(["explain", "clip.mp4", "--out", "page.html"]) == 0
    page = Path("page.html").read_bytes()

    def full(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert main(["explain", "clip.mp4", "--out", "page.html"]) == 1
    assert Path("page.html").read_bytes() == page
    assert sorted(path.name for path in Path().iterdir()) == ["clip.mp4", "page.html"]


def test_the_output_in_a_folder_of_frames_does_not_change_what_the_folder_is(clip, capsys):
    Path("frames").mkdir()
    for k in range(3):
        Image.fromarray(scene(k)).save(f"frames/{k}.jpg")
    for _ in range(2):
        assert main(["action", "frames", "--out", "frames/found.jsonl"]) == 0
        assert "left out" not in capsys.readouterr().err
    (row,) = [json.loads(line) for line in Path("frames/found.jsonl").read_text().splitlines()]
    assert (row["input"], len(row["steps"])) == ("frames", 3)


def test_what_is_left_out_of_a_folder_is_counted_and_named_once(clip, capsys):
    for name in ("notes.txt", "._clip.mp4", "Thumbs.db"):
        Path(name).write_bytes(b"no picture")
    Path("frames").mkdir()
    for k in range(3):
        Image.fromarray(scene(k)).save(f"frames/{k}.jpg")
    Path("frames/.DS_Store").write_bytes(b"no picture")
    assert main(["action", ".", "--json"]) == 0
    said = capsys.readouterr()
    assert [json.loads(line)["input"] for line in said.out.splitlines()] == ["clip.mp4", "frames"]
    assert said.err.splitlines()[0] == "3 files are left out: ._clip.mp4, notes.txt, Thumbs.db."
    assert json.loads(said.out.splitlines()[1])["left_out"] == [".DS_Store"]


@pytest.mark.parametrize(
    "name",
    [
        "CLIP.MTS", "clip.m2ts", "clip.mpe", "clip.qt", "clip.m2v", "clip.vob", "clip.mk3d",
        "photo.jfif", "photo.JPE", "photo.dib", "photo.apng",
    ],
)  # fmt: skip
def test_files_of_cameras_are_inputs_of_a_folder(clip, capsys, name):
    suffix = Path(name).suffix.lower()
    formats = {".mts": "mpegts", ".m2ts": "mpegts", ".mpe": "mpeg", ".qt": "mov", ".m2v": "mpeg2video", ".vob": "vob"}
    if suffix in PHOTO_SUFFIXES:
        kind = {".dib": "BMP", ".apng": "PNG"}.get(suffix, "JPEG")
        Image.fromarray(scene(0)).save(name, kind)
    else:
        codec = "libx264" if suffix in (".mts", ".m2ts", ".qt", ".mk3d") else "mpeg2video"
        pictures = [scene(k) for k in range(10)]
        write_video(Path(name), pictures, codec, container=formats.get(suffix, "matroska"))
    assert suffix in PHOTO_SUFFIXES | VIDEO_SUFFIXES
    shutil.move("clip.mp4", "clip")  # no name of an input
    assert main(["action", ".", "--json", "--each"]) == 0
    said = capsys.readouterr()
    assert [json.loads(line)["input"] for line in said.out.splitlines()] == [name]
    assert said.err.splitlines()[0] == "1 file is left out: clip."
