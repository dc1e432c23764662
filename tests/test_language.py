from __future__ import annotations

import pytest
import torch

from pipeline.language import LanguageModel, LanguageNetwork, load_language
from pipeline.recurrent import CELLS
from pipeline.vocabulary import START


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
    state, nothing = network.begin(torch.zeros(2, 0)), torch.zeros(2, 0)
    for t in range(5):
        log_p, state, _ = network.step(tokens[:, t], nothing, state)
        torch.testing.assert_close(log_p, batch[:, t].log_softmax(1), atol=1e-6, rtol=1e-5)


def test_a_word_is_as_likely_as_its_letters(letters):
    """The probability of a completion is the product of the letters' probabilities, one after the other."""
    steps = list(letters.read("networ"))
    (word, p), *_ = letters.complete("networ")
    assert word == "network"
    k = dict(steps[-1].following)["k"]
    *_, end = letters.read("network")
    assert p == pytest.approx(k * dict(end.following)[""], abs=1e-4)


def test_what_is_typed_is_read_by_its_letters_only(letters):
    assert letters.tokens("Hé-llo 1") == letters.tokens("hllo")


def test_the_gated_cells_remember_longer_than_the_plain_one():
    """The lecture's argument, as the cards measured it; and every cell knows what stands right beside the gap."""
    share = {cell: load_language("countries", cell).card["accuracy_by_sentences_between"] for cell in CELLS}
    assert all(curve["0"] > 0.9 for curve in share.values())
    assert share["lstm"]["10"] > share["rnn"]["10"] + 0.2


def test_a_visitors_own_sentence_of_the_kind():
    model = load_language("countries", "lstm")
    said = model.next("I grew up in Spain. My sister bought a small boat every winter. I speak fluent")
    assert said[0][0] == "spanish"
