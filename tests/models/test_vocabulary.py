from __future__ import annotations

from pipeline.models.vocabulary import END, START, UNKNOWN, Vocabulary, tokenize


def test_words_without_marks_and_capitals():
    assert tokenize('A man\'s T-shirt, (2 dogs) -- "runs"!') == ["a", "man's", "t-shirt", "2", "dogs", "runs"]
    assert tokenize(" . ") == []


def test_common_words_have_numbers_and_rare_ones_are_unknown():
    vocabulary = Vocabulary.of([["a", "dog"], ["a", "cat"], ["a", "dog"]], at_least=2)
    assert vocabulary.words == ("a", "dog")
    numbers = vocabulary.encode(["a", "cat", "dog"])
    assert numbers[1] == UNKNOWN
    assert [vocabulary[n] for n in (numbers[0], numbers[2])] == ["a", "dog"]
    assert len({END, START, UNKNOWN, *numbers}) == 5
    assert Vocabulary(vocabulary.words).tokens == vocabulary.tokens
