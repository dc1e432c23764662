from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline.models.language import LanguageModel, LanguageNetwork, load_language
from pipeline.models.recurrent import CELLS
from pipeline.models.vocabulary import START
from training.language import country_example, hidden_states, ppmi_embeddings


@pytest.fixture(scope="module")
def letters() -> LanguageModel:
    return load_language("letters")


@pytest.mark.parametrize("cell", CELLS)
def test_letter_by_letter_is_the_same_as_all_at_once(cell):
    torch.manual_seed(0)
    network = LanguageNetwork(cell, 9, 16, 8).eval()
    tokens = torch.randint(3, 9, (2, 5))
    batch = network(tokens)
    batch[..., [START, 2]] = -torch.inf
    state, nothing = network.init_state(torch.zeros(2, 0)), torch.zeros(2, 0)
    for t in range(5):
        log_p, state, _ = network.step(tokens[:, t], nothing, state)
        torch.testing.assert_close(log_p, batch[:, t].log_softmax(1), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_training_computes_the_same_states(cell):
    torch.manual_seed(0)
    network, tokens = LanguageNetwork(cell, 9, 16, 8).eval(), torch.randint(0, 9, (2, 5))
    torch.testing.assert_close(hidden_states(network, tokens), network.cell.scan(network.embed(tokens))[0])


def test_words_of_the_same_photos_have_similar_initial_embeddings():
    """Words 0 and 1 never occur in captions of the same photo as words 2 and 3."""
    vectors = ppmi_embeddings(torch.tensor([[1.0, 1, 0, 0, 1], [0, 0, 1, 1, 1]]).repeat(3, 1), 3)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


def test_a_word_is_as_likely_as_its_letters(letters):
    """The probability of a completion is the product of the letters' probabilities, one after the other."""
    steps = list(letters.predict("networ"))
    (word, p), *_ = letters.complete("networ")
    assert word == "network"
    k = dict(steps[-1].next_tokens)["k"]
    *_, end = letters.predict("network")
    assert p == pytest.approx(k * dict(end.next_tokens)[""], abs=1e-4)


def test_what_is_typed_is_read_by_its_letters_only(letters):
    assert letters.tokens("Hé-llo 1") == letters.tokens("hllo")


@pytest.mark.parametrize("cell", CELLS)
def test_the_accuracy_in_the_card_holds_on_other_texts(cell):
    model, rng = load_language("countries", cell), np.random.default_rng(7)
    curve = model.card["accuracy_by_sentences_between"]
    assert curve["0"] > 0.97
    for between in (0, 6):
        examples = [country_example(between, rng) for _ in range(40)]
        right = np.mean([model.next(text)[0][0] == language for text, language in examples])
        assert right == pytest.approx(curve[str(between)], abs=0.12)


def test_a_visitors_own_sentence_of_the_kind():
    model = load_language("countries", "lstm")
    said = model.next("I grew up in Spain. My sister bought a small boat every winter. I speak fluent")
    assert said[0][0] == "spanish"
