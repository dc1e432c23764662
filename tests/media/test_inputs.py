from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.media.inputs import expand_inputs


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in (
        "b.mp4",
        "a/1.jpg",
        "a/2.PNG",
        "c/notes.txt",
        "c/photo.webp",
        "c/deep/x.avi",
        ".hidden/y.mp4",
        "d/.z.jpg",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    return tmp_path


def names(tree: Path, *paths: str, each: bool = False) -> list[str]:
    return [
        str(Path(path).relative_to(tree)) for path in expand_inputs([str(tree / path) for path in paths], each).paths
    ]


def test_a_folder_of_nothing_but_images_is_a_clip_and_any_other_is_walked(tree):
    assert names(tree, ".") == ["a", "b.mp4", "c/deep/x.avi", "c/photo.webp"]
    assert names(tree, "a", "b.mp4") == ["a", "b.mp4"]


def test_each_image_by_itself(tree):
    assert names(tree, "a", "c", each=True) == ["a/1.jpg", "a/2.PNG", "c/deep/x.avi", "c/photo.webp"]


def test_what_is_not_there_or_holds_nothing_stands_for_itself(tree):
    assert names(tree, "absent.mp4", "d") == ["absent.mp4", "d"]


def test_a_link_that_leads_back_is_not_followed_and_a_closed_folder_stands_for_itself(tree, monkeypatch):
    (tree / "c" / "loop").symlink_to(tree)
    real = Path.iterdir

    def closed(folder: Path) -> Iterator[Path]:
        if folder.name == "deep":
            raise PermissionError
        return real(folder)

    monkeypatch.setattr(Path, "iterdir", closed)
    assert names(tree, ".") == ["a", "b.mp4", "c/deep", "c/photo.webp"]
