"""Response times of the app's controls for an encoded clip. Every control computes from the cached features.

The clip has MAX_STEPS steps, made of the features of the sample "bikes".
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from benchmarks.results import Result, result, side_by_side
from pipeline.analysis import what_if
from pipeline.analysis.cell_trace import input_sensitivity, trace
from pipeline.analysis.reading import read_features
from pipeline.media.reader import MAX_STEPS, read_clip
from pipeline.media.samples import BIKES, source_path
from pipeline.models.action import load_action
from pipeline.models.caption import load_caption
from pipeline.models.decoding import greedy
from pipeline.models.encoder import Encoder, FrameFeatures, load_encoder
from pipeline.models.recurrent import CELLS
from pipeline.report import figure_data

CONTROL_LIMIT = 100  # milliseconds
LIMITS = {  # milliseconds, where they differ; the last two are computed once per clip and cell
    "what_if_shuffled": 500,
    "photo_first_word": 50,
    "photo_sentence": 150,
    "clip_sentence": 150,
    "inside_memory": 500,
    "clip_sentence_after_each_frame": 1000,
}


def clip_of(encoder: Encoder, steps: int) -> tuple[list[FrameFeatures], np.ndarray]:
    """The features of ``steps`` frames, and the regions of one frame (1, R, D)."""
    clip = read_clip(source_path(BIKES))
    once = encoder.encode_clip(clip)
    features = [replace(once[k % len(once)], index=k, time=0.2 * k) for k in range(steps)]
    return features, encoder.encode([clip.frames[-1].image]).maps


def measure(rounds: int) -> Iterator[Result]:
    encoder = load_encoder()
    features, regions = clip_of(encoder, MAX_STEPS)
    models = {cell: load_action(cell) for cell in CELLS}
    lstm, photo, clip = models["lstm"], load_caption("photo", "lstm"), load_caption("clip", "lstm")
    order = what_if.shuffled(MAX_STEPS)

    def page() -> None:
        reading = read_features(lstm, features, 12.8)
        figure_data.verdict(reading)
        figure_data.timeline(reading, lstm, features)
        figure_data.letters(reading)

    controls: dict[str, Callable[[], object]] = {
        **{f"another_cell_{cell}": lambda m=model: list(m.predict(features)) for cell, model in models.items()},
        "whole_account": page,
        "what_if_shuffled": lambda: list(lstm.predict(what_if.reorder(encoder, features, order))),
        "inside_every_gate": lambda: trace(lstm.network.cell, lstm.cell_inputs(features)),
        "inside_memory": lambda: input_sensitivity(lstm.network.cell, lstm.cell_inputs(features)),
        "photo_first_word": lambda: next(photo.stream_words(photo.encode_array(regions), greedy)),
        "photo_sentence": lambda: photo.search(photo.encode_array(regions), 3),
        "clip_sentence": lambda: clip.search(clip.encode(features), 3),
        "clip_sentence_after_each_frame": lambda: clip.captions_per_frame(clip.encode(features), 3),
    }
    for name, answer in controls.items():
        milliseconds = [1000 * s for s in side_by_side({name: answer}, rounds)[name]]
        limit = LIMITS.get(name, CONTROL_LIMIT)
        yield result(name, milliseconds, "ms", limit / statistics.median(milliseconds), f"the limit of {limit} ms")
