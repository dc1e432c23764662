from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline.models.caption import TopDownDecoder
from pipeline.models.decoding import MAX_WORDS, force_decode, select_rows
from pipeline.models.vocabulary import END, START, UNKNOWN
from training.caption import guess_below
from training.metrics import CaptionReward, cider_of_each
from training.self_critical import advantages, drawn, policy_loss

REFERENCES = [
    ["a dog runs through the snow", "two dogs are running in snow"],
    ["a man plays the guitar on a stage", "somebody plays music on stage"],
    ["children climb a red rope net", "kids play on a net"],
]


@pytest.fixture
def decoder() -> TopDownDecoder:
    torch.manual_seed(0)
    return TopDownDecoder("lstm", 20, features=8, hidden=12, embedded=6).eval()


def test_the_reward_is_cider_where_the_corpus_is_the_same():
    said = ["a dog runs in the snow", "a man plays guitar", "a cat sleeps"]
    reward = CaptionReward(REFERENCES)
    np.testing.assert_allclose(reward.of(said, REFERENCES), cider_of_each(said, REFERENCES), rtol=1e-5)
    alone = [reward.of([s], [r])[0] for s, r in zip(said, REFERENCES, strict=True)]
    np.testing.assert_allclose(alone, reward.of(said, REFERENCES))  # a caption's reward is its own affair


def test_a_caption_is_worth_what_it_has_over_the_others():
    worth = advantages(np.array([[1.0, 0.0, 0.5], [2.0, 2.0, 2.0]]))
    np.testing.assert_allclose(worth, [[0.75, -0.75, 0.0], [0, 0, 0]])


def test_drawn_sentences_end_and_hold_words_only(decoder):
    with torch.inference_mode():
        scene = select_rows(decoder.encode(torch.randn(1, 4, 8)), torch.zeros(200, dtype=torch.long))
    sentences = drawn(decoder, scene, torch.Generator().manual_seed(0))
    assert len({tuple(s) for s in sentences}) > 100
    assert all(len(s) <= MAX_WORDS and not {START, END, UNKNOWN} & set(s) for s in sentences)


def test_learning_makes_the_better_sentence_likelier_and_the_worse_one_less(decoder):
    features = torch.randn(1, 4, 8)
    good, bad = [5, 6, 7], [8, 9]

    def log_likelihoods() -> list[float]:
        with torch.inference_mode():
            scene = select_rows(decoder.encode(features), torch.tensor([0, 0]))
            told = force_decode(decoder, scene, [good, bad])
        return [sum(float(s.log_probabilities[s.token]) for s in each) for each in told]

    before = log_likelihoods()
    optimiser = torch.optim.SGD(decoder.parameters(), 0.1)
    loss = policy_loss(decoder, decoder.encode(features), [(0, bad), (0, good)], torch.tensor([-1.0, 1.0]))
    loss.backward()
    optimiser.step()
    after = log_likelihoods()
    assert after[0] > before[0]
    assert after[1] < before[1]


def test_a_guess_is_what_is_poor_on_val(monkeypatch):
    class Told:
        def __init__(self, confidence: float) -> None:
            self.text, self.confidence = "a dog", confidence

    captions = [Told(c) for c in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)]
    monkeypatch.setattr("training.caption.cider_of_each", lambda *_: [0.0, 0.2, 0.1, 1.0, 1.0, 1.3])
    assert guess_below(captions, []) == 0.3
    monkeypatch.setattr("training.caption.cider_of_each", lambda *_: [1.0] * 6)
    assert guess_below(captions, []) == 0.0
