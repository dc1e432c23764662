"""The figure of a caption: its words, the alternatives of each word, and the attention for each word.

Parts of one component. They talk to each other in the browser (events on the document), so opening a word and moving
through a clip need no rerun. ``photo`` shows the image with the attention of a word, ``words`` the sentence, ``maps``
the attention of every word (Xu et al. 2015, Figure 2), ``moments`` the attention over the frames of a clip and how the
sentence changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.models.caption import Caption
from pipeline.report.figure_data import data_uri, film
from views.components.component import component

_component = component("caption_figure")


def photo(clip: str, sentence: str, picture: bytes, grid: tuple[int, int], looked: np.ndarray | None = None) -> None:
    """A JPEG under the attention of the chosen word, or of ``looked`` (R,), as long as no word is chosen; ``grid`` is
    the number of rows and columns of regions. ``clip`` is the clip's digest, ``sentence`` names what was written."""
    light = None if looked is None else [round(float(v), 4) for v in looked]
    data = {"part": "photo", "clip": clip, "sentence": sentence, "picture": data_uri(picture), "grid": grid}
    _component(key="sentence-photo", data={**data, "looked": light})


def words(
    clip: str,
    sentence: str,
    kind: str,
    times: Sequence[float],
    read: Sequence[int],
    captions: Sequence[Caption],
    threshold: float,
) -> None:
    """The sentence as it stands at the cursor; ``times`` are those of the clip's frames, ``captions`` those after the
    frames that were ``read``."""
    data = {"part": "words", "kind": kind, "threshold": threshold, **_tellings(clip, sentence, times, read, captions)}
    _component(key="sentence-words", data=data)


def maps(clip: str, sentence: str, picture: bytes, grid: tuple[int, int], caption: Caption) -> None:
    """The attention before each word of a photo's sentence, one small picture a word."""
    data = {
        "part": "maps",
        "picture": data_uri(picture),
        "grid": grid,
        **_tellings(clip, sentence, [0.0], [0], [caption]),
    }
    _component(key="sentence-maps", data=data)


def moments(
    clip: str,
    sentence: str,
    times: Sequence[float],
    duration: float,
    pictures: Sequence[bytes],
    read: Sequence[int],
    captions: Sequence[Caption],
) -> None:
    """Which of the frames that were ``read`` each word attended to, and how the sentence changed. ``times`` and
    ``pictures`` are those of all frames of the clip."""
    data = {"part": "moments", "kind": "video", "duration": duration, "film": film(pictures, read)}
    _component(key="sentence-moments", data={**data, **_tellings(clip, sentence, times, read, captions)})


def _tellings(
    clip: str, sentence: str, times: Sequence[float], read: Sequence[int], captions: Sequence[Caption]
) -> dict[str, Any]:
    told = [
        {
            "sure": caption.is_confident,
            "confidence": round(caption.confidence, 3),
            "words": [
                {
                    "word": step.word,
                    "p": round(step.probability, 3),
                    "others": [[word, round(p, 3)] for word, p in step.alternatives],
                    "looked": None if step.attention is None else [round(a, 3) for a in step.attention.tolist()],
                }
                for step in caption.steps
            ],
        }
        for caption in captions
    ]
    shared = {"clip": clip, "sentence": sentence, "times": [round(t, 3) for t in times]}
    return {**shared, "read": list(read), "tellings": told}
