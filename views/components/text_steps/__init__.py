"""The figure of a text that is read token by token, with the likeliest next tokens after each."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.models.language import TextStep
from views.components.component import component

_component = component("text_steps")


def text_steps(key: str, steps: Sequence[TextStep], caption: str) -> None:
    """One column for each step; the true next token is marked if it is among the likeliest."""
    came = [*(step.token for step in steps[1:]), None]
    data = [
        {"text": step.text, "following": [[token, round(p, 3)] for token, p in step.next_tokens], "chosen": chosen}
        for step, chosen in zip(steps, came, strict=True)
    ]
    _component(key=key, data={"part": "unfolding", "steps": data, "caption": caption})
