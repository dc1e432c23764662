"""How long a control takes to answer, once a clip is encoded: everything replays from its features.

    python -m benchmarks.replay [--rounds 5]

A clip of 64 steps (longer than the app ever reads) made of the sample "bikes", features and all; medians.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from pipeline import account, whatif
from pipeline.action import load_action
from pipeline.caption import load_caption
from pipeline.decoding import most_likely
from pipeline.encoder import FrameFeatures, load_encoder
from pipeline.inside import memory, trace
from pipeline.media import read_clip
from pipeline.recurrent import CELLS
from pipeline.samples import sample_path

STEPS = 64


def clip_of(steps: int) -> tuple[list[FrameFeatures], np.ndarray]:
    """-> frames' features, and the regions of one frame (1, R, D)."""
    encoder, frames = load_encoder(), read_clip(sample_path("bikes")).frames
    once = list(encoder.encode_frames(frames))
    features = [
        FrameFeatures(k, 0.2 * k, once[k % len(once)].features, once[k % len(once)].motion) for k in range(steps)
    ]
    return features, encoder.encode([frames[-1].image]).maps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    features, regions = clip_of(STEPS)
    frames = np.stack([frame.features for frame in features])[None]
    models = {cell: load_action(cell) for cell in CELLS}
    lstm, photo, clip = models["lstm"], load_caption("photo", "lstm"), load_caption("clip", "lstm")
    order = whatif.shuffled(STEPS)

    def page() -> None:
        steps = list(lstm.read(features))
        account.verdict(lstm, steps, lstm.verdict(steps))
        account.timeline(lstm, features, steps, lstm.verdict(steps), 12.8)
        account.letters(lstm, steps)

    controls: dict[str, Callable[[], object]] = {
        **{f"another cell ({cell})": lambda m=model: list(m.read(features)) for cell, model in models.items()},
        "the whole page of a reading": page,
        "what if: shuffled": lambda: list(lstm.read(whatif.rearranged(features, order))),
        "inside: every gate": lambda: trace(lstm.network.cell, lstm.inputs(features)),
        "inside: memory": lambda: memory(lstm.network.cell, lstm.inputs(features)),
        "photo: first word": lambda: next(photo.write(photo.look(regions), most_likely)),
        "photo: sentence, beam 3": lambda: photo.search(photo.look(regions), 3),
        "clip: sentence, beam 3": lambda: clip.search(clip.look(frames), 3),
        "clip: a sentence after each frame, beam 3": lambda: clip.evolve(clip.look(frames), 3),
    }
    for name, answer in controls.items():
        seconds = []
        for _ in range(rounds + 1):
            started = time.perf_counter()
            answer()
            seconds.append(time.perf_counter() - started)
        print(f"{name:44} {1000 * statistics.median(seconds[1:]):6.0f} ms", flush=True)


if __name__ == "__main__":
    main()
