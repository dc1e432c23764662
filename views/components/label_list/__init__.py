"""The labels of a recogniser by group, with a field that searches them in the browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from views.components.component import component

_component = component("label_list")


def label_list(groups: Mapping[str, Sequence[str]], finer: Mapping[str, Sequence[str]]) -> None:
    """``groups`` has the labels of each group, ``finer`` every broad label with its finer ones."""
    rows = [[group, list(labels)] for group, labels in groups.items()]
    _component(key="labels", data={"part": "labels", "groups": rows, "finer": {k: list(v) for k, v in finer.items()}})
