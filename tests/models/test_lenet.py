"""LeNet-5 on real handwritten digits, as files that a user might have."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits as handwritten
from sklearn.model_selection import train_test_split

from pipeline.__main__ import main
from pipeline.models.checkpoint import WEIGHTS, load_card
from pipeline.models.lenet import SIDE, DigitReader, digit_grid, enlarge_ink, load_digits


@pytest.fixture(scope="module")
def reader() -> DigitReader:
    return load_digits()


@pytest.fixture(scope="module")
def unseen() -> tuple[np.ndarray, np.ndarray]:
    """The digits that training/digits.py left out: (N, 8, 8) uint8, and what they are."""
    grids, labels = handwritten(return_X_y=True)
    seed = load_card(WEIGHTS / "digits-lenet5")["seed"]
    _, test, _, wanted = train_test_split(grids, labels, test_size=0.2, random_state=seed, stratify=labels)
    return (test.reshape(-1, 8, 8) * 255 / 16).astype(np.uint8), wanted


def test_it_reads_the_digits_it_never_saw(reader, unseen):
    pictures, wanted = unseen
    said = np.array([reader.read(picture).label for picture in pictures])
    assert (said == wanted).mean() >= 0.98


def test_a_photographed_digit_is_dark_on_light_larger_and_off_centre(reader, unseen):
    pictures, wanted = unseen
    right = 0
    for picture, label in zip(pictures[:100], wanted, strict=False):
        large = cv2.resize(picture, (120, 160), interpolation=cv2.INTER_CUBIC)
        page = np.full((260, 300), 235, np.uint8)
        page[20:180, 150:270] = 235 - (large * 0.8).astype(np.uint8)
        right += reader.read(page).label == label
    assert right >= 85


def test_planes_have_the_sizes_of_the_figure(reader, unseen):
    found = reader.read(unseen[0][0])
    shapes = [tuple(plane.shape[1:]) for plane in found.maps]
    assert shapes == [(6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120,), (84,), (10,)]
    assert found.probabilities.sum() == pytest.approx(1, abs=1e-5)
    assert enlarge_ink(digit_grid(unseen[0][0])).shape == (SIDE, SIDE)


def test_the_command_reads_files_and_goes_on_after_a_bad_one(capsys, tmp_path, unseen):
    pictures, wanted = unseen
    paths = [tmp_path / f"{k}.png" for k in range(3)]
    for path, picture in zip(paths, pictures, strict=False):
        Image.fromarray(picture).resize((64, 64)).save(path)
    Image.new("L", (40, 40), 200).save(tmp_path / "blank.png")
    names = [str(paths[0]), str(tmp_path / "blank.png"), str(tmp_path / "none.png"), str(paths[1])]
    assert main(["digit", *names, "--json"]) == 1
    one, blank, none, two = map(json.loads, capsys.readouterr().out.splitlines())
    assert blank["error"].startswith("There is no digit")
    assert "no such file" in none["error"]
    assert [one["label"], two["label"]] == wanted[:2].tolist()
    assert 0 < one["probability"] <= 1
    assert Path(one["input"]) == paths[0]
