from __future__ import annotations

import pytest

from training.data import DATA, load_items, load_labels

pytestmark = pytest.mark.skipif(not DATA.exists(), reason=f"needs the training data in {DATA.name}/ beside the project")


@pytest.fixture(scope="module")
def items():
    return load_items()


def test_no_group_is_on_both_sides(items):
    sides = {held: {(i.source, i.group) for i in items if i.held_out == held} for held in (True, False)}
    assert sides[True]
    assert not sides[True] & sides[False]


def test_ucf_holds_out_the_same_people_for_every_class(items):
    numbers = {
        held: {i.group[-3:] for i in items if i.source == "ucf101" and i.held_out == held} for held in (True, False)
    }
    assert not numbers[True] & numbers[False]
    assert len({i.label for i in items if i.source == "ucf101" and i.held_out}) == 11


def test_every_label_can_be_learned(items):
    assert {i.label for i in items if not i.held_out} >= set(load_labels())


def test_every_file_is_there(items):
    assert all(path.exists() for item in items for path in item.paths)


def test_validation_items_are_held_out_of_all_training(items):
    val = [item for item in items if item.is_validation]
    assert {item.source for item in val} == {"msrvtt", "flickr8k"}
    assert all(item.held_out for item in val)
