"""The feature maps of one layer, side by side."""

from __future__ import annotations

import base64
import html

import cv2
import numpy as np
import streamlit as st

HEIGHT = 96  # pixels, of a plane on the page


def feature_map_strip(name: str, layer: np.ndarray) -> None:
    """(K, h, w) from -1 (black) to 1 (white) as a strip of grey pictures under its name."""
    height, width = layer.shape[1:]
    size = (round(width * HEIGHT / height), HEIGHT)
    grey = ((layer + 1) * 127.5).clip(0, 255).astype(np.uint8)
    large = [cv2.resize(plane, size, interpolation=cv2.INTER_NEAREST) for plane in grey]
    gap = np.full((HEIGHT, 4), 255, np.uint8)
    st.caption(name)
    row = np.concatenate([part for plane in large for part in (plane, gap)][:-1], 1)
    source = "data:image/png;base64," + base64.b64encode(cv2.imencode(".png", row)[1].tobytes()).decode()
    text = html.escape(f"{len(layer)} feature maps of {name}", quote=True)
    st.html(f"<img class='maps' src='{source}' alt='{text}'>")  # st.image() has no text for screen readers
