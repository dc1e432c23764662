"""The lecture's character model over {h, e, l, o}, drawn, trained and edited in the browser: nothing runs here."""

from __future__ import annotations

from views.components.component import component

_component = component("char_rnn")


def char_rnn() -> None:
    _component(key="hello", data={"part": "hello"})
