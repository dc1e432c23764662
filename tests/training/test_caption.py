from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline.models.caption import TopDownDecoder
from pipeline.models.decoding import MAX_WORDS, force_decode, select_rows
from pipeline.models.vocabulary import END, START, UNKNOWN
from training.caption import confidence_threshold
from training.metrics import CaptionReward, cider_per_caption
from training.self_critical import advantages, policy_loss, sample_captions

REFERENCES = [
    ["a dog runs through the snow", "two dogs are running in snow"],
    ["a man plays the guitar on a stage", "somebody plays music on stage"],
    ["children climb a red rope net", "kids play on a net"],
]


@pytest.fixture
def decoder() -> TopDownDecoder:
    torch.manual_seed(0)
    return TopDownDecoder("lstm", 20, features=8, hidden=12, embedded=6).eval()


def test_the_reward_is_cider_if_the_corpus_is_the_same():
    captions = ["a dog runs in the snow", "a man plays guitar", "a cat sleeps"]
    reward = CaptionReward(REFERENCES)
    np.testing.assert_allclose(reward.score(captions, REFERENCES), cider_per_caption(captions, REFERENCES), rtol=1e-5)
    alone = [reward.score([c], [r])[0] for c, r in zip(captions, REFERENCES, strict=True)]
    np.testing.assert_allclose(alone, reward.score(captions, REFERENCES))  # other captions have no influence


def test_the_advantage_is_relative_to_the_other_captions():
    advantage = advantages(np.array([[1.0, 0.0, 0.5], [2.0, 2.0, 2.0]]))
    np.testing.assert_allclose(advantage, [[0.75, -0.75, 0.0], [0, 0, 0]])


def test_sampled_captions_end_and_hold_words_only(decoder):
    with torch.inference_mode():
        encoded = select_rows(decoder.encode(torch.randn(1, 4, 8)), torch.zeros(200, dtype=torch.long))
    sentences = sample_captions(decoder, encoded, torch.Generator().manual_seed(0))
    assert len({tuple(s) for s in sentences}) > 100
    assert all(len(s) <= MAX_WORDS and not {START, END, UNKNOWN} & set(s) for s in sentences)


def test_a_step_makes_the_better_sentence_likelier_and_the_worse_one_less_likely(decoder):
    features = torch.randn(1, 4, 8)
    good, bad = [5, 6, 7], [8, 9]

    def log_likelihoods() -> list[float]:
        with torch.inference_mode():
            encoded = select_rows(decoder.encode(features), torch.tensor([0, 0]))
            decoded = force_decode(decoder, encoded, [good, bad])
        return [sum(float(s.log_probabilities[s.token]) for s in tokens) for tokens in decoded]

    before = log_likelihoods()
    optimiser = torch.optim.SGD(decoder.parameters(), 0.1)
    loss = policy_loss(decoder, decoder.encode(features), [(0, bad), (0, good)], torch.tensor([-1.0, 1.0]))
    loss.backward()
    optimiser.step()
    after = log_likelihoods()
    assert after[0] > before[0]
    assert after[1] < before[1]


def test_captions_with_half_the_mean_cider_are_below_the_threshold(monkeypatch):
    class Captioned:
        def __init__(self, confidence: float) -> None:
            self.text, self.confidence = "a dog", confidence

    captions = [Captioned(c) for c in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)]
    monkeypatch.setattr("training.caption.cider_per_caption", lambda *_: [0.0, 0.2, 0.1, 1.0, 1.0, 1.3])
    assert confidence_threshold(captions, []) == 0.3
    monkeypatch.setattr("training.caption.cider_per_caption", lambda *_: [1.0] * 6)
    assert confidence_threshold(captions, []) == 0.0
