"""Examples made of random features in which something is to be learned: appearance, movement, or its order."""

from __future__ import annotations

import numpy as np

from pipeline.models.encoder import FrameFeatures
from pipeline.models.video_encoder import MotionFeatures
from pipeline.teaching.examples import Example, half

STEPS = 9


def example(label: str, seed: int, seen: int = 693, moves: bool = True, backwards: bool = False) -> Example:
    """A clip whose movement drifts in the direction of its label; ``backwards`` reverses its steps."""
    rng, own = np.random.default_rng(seed), np.random.default_rng(sum(map(ord, label)))
    drift = np.linspace(-1, 1, STEPS)[:, None] * own.normal(size=480)
    motion = np.abs(rng.normal(1, 0.3, (STEPS, 480)) + 0.3 * drift + 2)
    appearance, layout = rng.normal(size=(STEPS, 1280)), rng.normal(size=(STEPS, 504))
    rows = [each[::-1] if backwards else each for each in (appearance, motion, layout)]
    flat = np.full(seen, 1 / seen)
    if not moves:
        return Example(
            label, f"{label} {seed}.jpg", 0.0, half(rows[0][:1] + own.normal(size=1280)), None, None, half(flat)
        )
    return Example(label, f"{label} {seed}.mp4", 2.0, *map(half, rows), half(flat))


def examples(labels: str = "abc", each: int = 4, **options) -> list[Example]:
    return [example(label, 100 * k + n, **options) for k, label in enumerate(labels) for n in range(each)]


def frames(one: Example) -> list[FrameFeatures]:
    """The clip as the encoder gives it."""
    found = []
    for step, appearance in enumerate(one.appearance.astype(np.float32)):
        motion = None
        if one.motion is not None:
            logits = np.zeros(691, np.float32)
            motion = MotionFeatures(one.motion[step].astype(np.float32), logits, one.layout[step].astype(np.float32))
        found.append(FrameFeatures(step, 0.2 * step, appearance, motion))
    return found
