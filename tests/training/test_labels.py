from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest

from pipeline.models.checkpoint import WEIGHTS, load_card
from pipeline.models.recurrent import CELLS
from training import labels
from training.data import DATA
from training.label_groups import GROUPS, label_groups
from training.labels import finer_among, finer_labels, flat_labels, kinetics_columns, targets

PAGE = Path(__file__).parents[2] / "docs" / "labels.md"
needs_data = pytest.mark.skipif(not DATA.exists(), reason=f"needs the training data in {DATA.name}/ beside the project")


def test_the_page_is_that_of_every_card():
    for cell in CELLS:
        assert labels.page(load_card(WEIGHTS / f"action-{cell}")) == PAGE.read_text(), (
            "python -m training.labels --out docs/labels.md"
        )


def test_no_label_is_in_two_groups_and_none_is_lost():
    every = list(chain.from_iterable(GROUPS.values()))
    assert len(every) == len(set(every))
    assert 12 <= len(GROUPS) <= 15
    some = every[::7]
    grouped = label_groups(some)
    assert sorted(chain.from_iterable(grouped.values())) == sorted(some)
    assert all(grouped.values())
    with pytest.raises(KeyError):
        label_groups(["counting stars"])


@needs_data
def test_every_label_of_the_data_and_of_kinetics_is_in_the_flat_list_under_one_name():
    flat = flat_labels()
    assert len(flat) == len(set(flat))
    assert len({label.casefold() for label in flat}) == len(flat)
    assert set(flat) >= set(labels._table("labels.json")) - {"no action"}
    assert "no action" not in flat
    columns = kinetics_columns()
    assert len(columns) == len(set(columns)) == 600
    assert set(flat) == set(labels._table("labels.json")) - {"no action"} | {flat[k] for k in columns}
    for ours, kinetics in (("doing push-ups", "push up"), ("bowling", "bowling"), ("watching TV", "watching tv")):
        assert flat[columns[labels.kinetics_names().index(kinetics)]] == ours
    for kinetics in ("photobombing", "jetskiing", "writing", "ice skating", "chopping vegetables"):
        assert flat[columns[labels.kinetics_names().index(kinetics)]] == kinetics


@needs_data
def test_the_tables_of_judgements_name_what_there_is():
    kinetics, ours = set(labels.kinetics_names()), set(labels._table("labels.json"))
    assert set(labels.SAME) <= kinetics
    assert set(labels.SAME.values()) <= ours
    listed = labels._table("kinetics.json")
    assert all(name in listed[label] for name, label in labels.SAME.items())
    assert all(name in listed[label] for name, finer in labels.REVERSED.items() for label in finer)
    assert set(label_groups(flat_labels())) == set(GROUPS)


@needs_data
def test_finer_is_an_order():
    finer, flat = finer_labels(), flat_labels()
    assert set(finer) | set(chain.from_iterable(finer.values())) <= set(flat)
    for broad, names in finer.items():
        assert len(names) == len(set(names))
        assert broad not in names
        for name in names:
            assert broad not in finer.get(name, ())
            assert set(finer.get(name, ())) <= set(names)


@needs_data
def test_both_files_are_followed():
    finer = finer_labels()
    assert {"chopping vegetables", "preparing salad", "making tea", "cutting vegetables"} <= set(finer["cooking"])
    assert {"doing push-ups", "situp", "bench pressing"} <= set(finer["working out"])
    assert set(finer["wrestling"]) == {"judo", "sumo wrestling"}
    assert "racing motorcycles" in finer["riding a motorcycle"]


@needs_data
def test_targets_are_the_label_and_all_finer_ones():
    finer = finer_labels()
    for label in flat_labels():
        assert targets(label) == {label, *finer.get(label, ())}
    assert targets("riding a motorcycle or bicycle") >= {"riding a motorcycle", "riding a bicycle", "jumping bicycle"}
    assert targets("no such action") == frozenset()


@needs_data
def test_a_relation_over_a_label_that_is_not_there_remains():
    assert finer_among(["cooking", "making tea"]) == {"cooking": ["making tea"]}
    assert finer_among(["making tea", "bowling"]) == {}


@needs_data
def test_the_cards_have_what_follows_from_their_labels():
    for cell in CELLS:
        card = load_card(WEIGHTS / f"action-{cell}")
        assert labels.card_fields(card["labels"]) == {"finer": card["finer"], "groups": card["groups"]}


@needs_data
def test_a_circle_is_an_error(monkeypatch):
    monkeypatch.setattr(labels, "MISSING", {"chopping vegetables": ["cooking"]})
    labels._all_finer.cache_clear()
    try:
        with pytest.raises(ValueError, match="finer than itself"):
            finer_labels()
    finally:
        monkeypatch.undo()
        labels._all_finer.cache_clear()
