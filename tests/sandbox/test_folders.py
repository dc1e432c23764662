"""Folders of images as people have them: from a Mac, from Windows, from a camera, and with a broken image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.media import MAX_STEPS, MediaError, read_clip
from pipeline.sandbox.folders import in_natural_order


def shade(frame) -> int:
    return round(float(frame.image[50:-50, 50:-50].mean()))


def write_frames(folder: Path, names: list[str]) -> Path:
    """Images that get brighter in the order of ``names``: 10, 20, 30 ..."""
    folder.mkdir(exist_ok=True)
    for k, name in enumerate(names):
        Image.fromarray(np.full((48, 64, 3), 10 * (k + 1), np.uint8)).save(folder / name)
    return folder


@pytest.mark.parametrize(
    "names",
    [
        [f"frame{k}.jpg" for k in range(1, 21)],
        [f"Frame ({k}).JPG" for k in range(1, 13)],
        [f"shot1_take{k}.png" for k in (2, 9, 10)] + [f"shot2_take{k}.png" for k in (1, 11)],
        ["a1.png", "A2.png", "a10.png", "B1.png"],
        ["f08.png", "f9.png", "f0010.png"],
        ["2024-1-9.png", "2024-1-10.png", "2024-10-1.png"],
    ],
    ids=lambda names: names[0],
)
def test_frames_come_in_natural_order(tmp_path, names):
    clip = read_clip(write_frames(tmp_path / "frames", names))
    shades = [shade(frame) for frame in clip.frames]
    assert shades == pytest.approx([10 * (k + 1) for k in range(len(names))], abs=2)
    assert clip.left_out == ()


def test_the_order_is_that_of_the_names_whatever_their_bytes(tmp_path):
    paths = [Path(name) for name in ("b\udce9.png", "a10.png", "a9.png", "²2.png", "a9.PNG", "٣.png", "")]
    assert in_natural_order(paths) == in_natural_order(reversed(paths))


FOREIGN = [
    "._frame01.jpg", ".DS_Store", "Thumbs.db", "desktop.ini", "found.jsonl", "notes.txt", "sound.wav",
]  # fmt: skip


def test_what_systems_put_beside_the_images_is_left_out_and_said(tmp_path):
    folder = write_frames(tmp_path / "frames", ["frame01.jpg", "frame02.jpg"])
    for name in FOREIGN:
        (folder / name).write_bytes(b"\x00\x05\x16\x07 no picture")
    (folder / "more").mkdir()
    clip = read_clip(folder)
    assert len(clip.frames) == 2
    assert sorted(clip.left_out) == sorted(FOREIGN)


@pytest.mark.parametrize("broken", [0, 3, 7])
def test_a_broken_image_is_left_out_and_said(tmp_path, broken):
    names = [f"{k}.png" for k in range(8)]
    folder = write_frames(tmp_path / "frames", names)
    (folder / names[broken]).write_bytes((folder / names[broken]).read_bytes()[:60])
    clip = read_clip(folder)
    assert [round(frame.time) for frame in clip.frames] == [k for k in range(8) if k != broken]
    assert clip.duration == 7
    assert clip.left_out == (names[broken],)


def test_a_neighbour_takes_the_place_of_a_broken_image(tmp_path):
    names = [f"{k}.png" for k in range(4 * MAX_STEPS)]
    folder = write_frames(tmp_path / "frames", names[:1])
    for name in names[1:]:
        (folder / name).write_bytes((folder / names[0]).read_bytes())
    chosen = [round(frame.time) for frame in read_clip(folder).frames]
    (folder / names[chosen[5]]).write_bytes(b"\x89PNG\r\n\x1a\n")
    clip = read_clip(folder)
    assert [round(frame.time) for frame in clip.frames] == [k + (k == chosen[5]) for k in chosen]


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff\xe0 not a photo", b"GIF89a", b"\0\0\0\x1cftypisom"])
def test_a_folder_of_broken_images_is_a_sentence(tmp_path, data):
    folder = tmp_path / "frames"
    folder.mkdir()
    for name in ("1.jpg", "2.jpg"):
        (folder / name).write_bytes(data)
    with pytest.raises(MediaError, match=r"frames/1\.jpg"):
        read_clip(folder)


def test_an_image_that_is_a_link_or_a_folder(tmp_path):
    folder = write_frames(tmp_path / "frames", ["1.png", "2.png"])
    (folder / "3.png").symlink_to(folder / "1.png")
    (folder / "4.png").symlink_to(folder / "absent.png")
    (folder / "5.png").mkdir()
    clip = read_clip(folder)
    assert len(clip.frames) == 3
    assert clip.left_out == ("4.png",)
