from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from pipeline.media import read_clip
from pipeline.models.movinet import CLASSES, FEATURE_SIZE, HIDDEN_SIZE, SIDE, MoViNetA0Stream
from training.square_frames import square, square_frames
from training.video_features import VideoClip, cache_source
from training.video_readings import CachedClip, held_out_predictions, load_cache, log_answers, mean_features, thirds


def test_the_cache_gives_back_what_the_network_says_of_each_clip(bikes, tmp_path):
    torch.manual_seed(0)
    network = MoViNetA0Stream().eval()
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    clips = [VideoClip("ours", "a", "cycling", str(bikes)), VideoClip("ours", "b", "cycling", str(broken)),
             VideoClip("ours", "c", None, str(bikes)), VideoClip("ours", "d", "riding", str(bikes))]  # fmt: skip
    cache_source(network, clips, "fitted", tmp_path / "fitted" / "ours")
    index = json.loads((tmp_path / "fitted" / "ours.json").read_text())
    assert [entry["group"] for entry in index] == ["a", "c", "d"], "what cannot be read is left out"
    first, second = load_cache(tmp_path / "fitted", network)
    assert (first.label, second.label) == ("cycling", "riding"), "clips without a label are cached, not scored"
    with torch.inference_mode():
        output, _ = network.scan(network.normalise(torch.from_numpy(square_frames(read_clip(bikes, 64))))[None])
    for clip in (first, second):
        np.testing.assert_allclose(clip.features, output.features[0], atol=2e-3)
        np.testing.assert_allclose(clip.logits, output.logits[0, -1], atol=2e-3)
        answers = network.classifier(torch.from_numpy(clip.hidden)).detach()
        np.testing.assert_allclose(answers, output.logits[0, -1], atol=5e-3)


def test_the_central_square_leaves_out_the_sides_and_the_fitted_one_does_not():
    image = np.zeros((100, 200, 3), np.uint8)
    image[:, 60:140] = 255
    assert square(image, "central").shape == square(image).shape == (SIDE, SIDE, 3)
    assert (square(image)[:, 0] == 0).all()
    assert square(image, "central")[:, 20:-20].min() == 255
    assert square(np.zeros((5, 3, 3), np.uint8), "central").shape == (SIDE, SIDE, 3)


def made_clip(label: str, group: str, features: np.ndarray) -> CachedClip:
    zeros = np.zeros(HIDDEN_SIZE, np.float32), np.zeros(CLASSES, np.float32)
    return CachedClip("s", group, label, features.astype(np.float32), *zeros)


def made_clips(rng: np.random.Generator, rising: bool) -> list[CachedClip]:
    """Clips whose features rise or fall over time, about the same mean."""
    ramp = np.linspace(-1, 1, 9)[:, None] * (1 if rising else -1)
    noise = 0.3 * rng.normal(size=(15, 9, FEATURE_SIZE))
    return [made_clip("up" if rising else "down", f"{rising}{k}", ramp + noise[k]) for k in range(15)]


def test_a_reading_of_thirds_knows_the_order_and_one_of_the_mean_does_not():
    rng = np.random.default_rng(0)
    clips = made_clips(rng, True) + made_clips(rng, False)
    labels = [clip.label for clip in clips]
    assert (held_out_predictions(clips, thirds) == labels).mean() == 1
    assert (held_out_predictions(clips, mean_features) == labels).mean() < 0.8


@pytest.mark.parametrize("frames", [1, 2, 3, 7])
def test_thirds_of_any_length(frames):
    features = np.arange(frames, dtype=np.float32)[:, None] * np.ones(FEATURE_SIZE, np.float32)
    found = thirds(made_clip("x", "g", features)).reshape(3, FEATURE_SIZE)[:, 0]
    assert (np.diff(found) >= 0).all()
    assert found[0] <= features.mean() <= found[-1]


def test_answers_are_probabilities():
    clip = made_clip("x", "g", np.zeros((1, FEATURE_SIZE)))
    clip.logits[:3] = 1, 2, 800
    assert np.exp(log_answers(clip)).sum() == pytest.approx(1)
