"""A film strip whose frames can be moved, doubled and deleted, with cuts between them, over what three cells say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from pipeline.report.figure_data import PALETTE, data_uri
from views.components.component import component

_component = component("memory_strip")

LONGEST = 48  # frames of a strip
Results = list[tuple[str, list[str], list[str]]]


class Edit(NamedTuple):
    """``order``: the frame at each place, at least one. ``cuts``: the places before which the state is reset."""

    order: tuple[int, ...]
    cuts: tuple[int, ...]


def current_edit(key: str, count: int, begin: Edit) -> Edit:
    """The edit of the strip of this key as the visitor left it; ``begin`` if it was not touched since it began so.
    ``count`` is the number of frames that it can hold."""
    sent = (st.session_state.get(key) or {}).get("edit")
    return edit_of(sent, count, begin)


def edit_of(sent: object, count: int, begin: Edit) -> Edit:
    """What the browser sent, if it is an edit of so many frames that began so; else ``begin``."""
    if not isinstance(sent, dict) or sent.get("begin") != beginning(begin):
        return begin
    order, cuts = sent.get("order"), sent.get("cuts")
    if not isinstance(order, list) or not isinstance(cuts, list) or not 0 < len(order) <= LONGEST:
        return begin
    if not all(isinstance(k, int) and 0 <= k < count for k in order) or not all(isinstance(k, int) for k in cuts):
        return begin
    return Edit(tuple(order), tuple(sorted({cut for cut in cuts if 0 < cut < len(order)})))


def beginning(edit: Edit) -> list[int]:
    return [*edit.order, -1, *edit.cuts]


def memory_strip(key: str, pictures: Sequence[bytes], begin: Edit, edit: Edit, results: Results) -> None:
    """The strip with an edit that began as ``begin``. ``results`` stand under it: the name of each cell, the leading
    label after every frame, and the answers in words."""
    data = {
        "part": "memory",
        "pictures": [data_uri(picture) for picture in pictures],
        "begin": beginning(begin),
        "order": list(edit.order),
        "cuts": list(edit.cuts),
        "results": results,
        "palette": list(PALETTE),
        "longest": LONGEST,
    }
    _component(key=key, data=data, on_edit_change=lambda: None)
