"""A pad to draw a digit on; it returns the drawing as an image."""

from __future__ import annotations

import numpy as np

from views.components.component import component

SIDE = 28

_component = component("digit_pad")


def digit_pad(key: str) -> np.ndarray | None:
    """The drawing, (28, 28) uint8, white on black; None while the pad is empty."""
    grey = _component(key=key, data={"part": "drawing"}, on_grey_change=lambda: None).grey
    if not isinstance(grey, list) or len(grey) != SIDE * SIDE:
        return None
    return np.clip(np.array(grey, np.float64), 0, 255).astype(np.uint8).reshape(SIDE, SIDE)
