from __future__ import annotations

import pytest
import torch

from pipeline.models.checkpoint import (
    WEIGHTS,
    CheckpointError,
    check_labels,
    load_card,
    load_checkpoint,
    save_checkpoint,
)


def test_what_is_saved_is_loaded(tmp_path):
    tensors = {"w": torch.randn(3, 4), "n": torch.arange(5)}
    save_checkpoint(tmp_path / "net", tensors, {"model": "a net"})
    loaded, card = load_checkpoint(tmp_path / "net")
    assert all(torch.equal(loaded[name], tensors[name]) for name in tensors)
    assert card["model"] == "a net"
    assert card["parameters"] == 17


def test_changed_numbers_are_refused(tmp_path):
    save_checkpoint(tmp_path / "net", {"w": torch.zeros(8)}, {})
    path = tmp_path / "net.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="SHA-256"):
        load_checkpoint(tmp_path / "net")


def test_a_missing_half_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"net\.json"):
        load_checkpoint(tmp_path / "net")
    save_checkpoint(tmp_path / "net", {"w": torch.zeros(8)}, {})
    (tmp_path / "net.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"net\.safetensors"):
        load_checkpoint(tmp_path / "net")


LABELS = {"labels": ["cooking", "baking", "running"], "finer": {"cooking": ["baking"]}}
GROUPS = {"Food": ["cooking", "baking"], "Sport": ["running"]}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, None),
        ({"finer": {}, "groups": {"All": ["running", "baking", "cooking"]}}, None),
        ({"labels": ["cooking", "baking"]}, "has 2 labels, but its tensors have 3"),
        ({"finer": {"cooking": ["frying"]}}, "names a label that it does not have: frying"),
        ({"finer": {"eating": ["baking"]}}, "names a label that it does not have: eating"),
        ({"groups": {**GROUPS, "Play": ["chess"]}}, "names a label that it does not have: chess"),
        ({"groups": {"Food": ["cooking", "baking"]}}, "does not have every label once, in one group"),
        ({"groups": {**GROUPS, "Play": ["running"]}}, "does not have every label once, in one group"),
        ({"labels": ["cooking", "running", "running"], "finer": {}, "groups": {"a": ["cooking", "running"]}}, "once"),
        ({"groups": None}, "lacks"),
    ],
)
def test_labels_that_do_not_fit_are_refused_in_one_sentence(changes, sentence):
    card = {**LABELS, "groups": GROUPS, **changes}
    if sentence is None:
        check_labels("action-lstm", card, 3)
        return
    with pytest.raises(CheckpointError, match=sentence) as refused:
        check_labels("action-lstm", card, 3)
    assert str(refused.value).startswith("The card action-lstm.json ")
    assert str(refused.value).count(". ") == 0


def test_every_shipped_checkpoint_is_whole_small_and_explained():
    stems = {path.with_suffix("") for path in WEIGHTS.iterdir() if path.suffix in (".safetensors", ".json")}
    assert {stem.name for stem in stems} >= {"encoder", "action-lstm", "action-gru", "action-rnn"}
    for stem in stems:
        load_checkpoint(stem)
        assert {"model", "command", "seed", "data"} <= set(load_card(stem))
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < 120_000_000
    assert not [path for path in WEIGHTS.iterdir() if path.suffix in (".pt", ".pth", ".pkl", ".bin")]
