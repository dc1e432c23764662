"""Properties of the search, on small untrained networks: what holds for those holds for any."""

from __future__ import annotations

import math

import pytest
import torch

from pipeline.models.caption import DECODERS, EncoderOutput, ShowAndTellDecoder
from pipeline.models.decoding import (
    LENGTH_POWER,
    MAX_WORDS,
    Hypothesis,
    beam_search,
    force_decode,
    generate,
    no_repeat_trigrams,
    nucleus_sampler,
    select_rows,
)
from pipeline.models.recurrent import CELLS
from pipeline.models.vocabulary import END, START, UNKNOWN

WIDTHS = (1, 2, 3, 5, 8)
PICTURES = 4


@pytest.fixture(params=[(kind, cell) for kind in DECODERS for cell in CELLS], ids="-".join)
def looking(request) -> tuple[ShowAndTellDecoder, EncoderOutput]:
    """A decoder with opinions (large weights), and four pictures of seven places."""
    torch.manual_seed(3)
    kind, cell = request.param
    decoder = (
        DECODERS[kind](cell, 60, features=16, hidden=24, embedded=12).double().eval()
    )  # double, so that rounding makes no ties
    with torch.inference_mode():
        for parameter in decoder.parameters():
            parameter.mul_(3)
        return decoder, decoder.encode(torch.randn(PICTURES, 7, 16).double())


def search(decoder: ShowAndTellDecoder, scene: EncoderOutput, width: int) -> list[list[Hypothesis]]:
    *_, beam = beam_search(decoder, scene, len(scene.mean), width)
    return beam.hypotheses()


def alone(scene: EncoderOutput, picture: int) -> EncoderOutput:
    return select_rows(scene, torch.tensor([picture]))


def test_a_beam_of_one_is_greedy(looking):
    decoder, scene = looking
    for b, found in enumerate(search(decoder, scene, 1)):
        greedy = [step.token for step in generate(decoder, alone(scene, b))]
        assert [*found[0].tokens, END] == greedy


def test_a_wider_beam_keeps_what_a_narrower_one_found(looking):
    decoder, scene = looking
    narrow = search(decoder, scene, WIDTHS[0])
    for width in WIDTHS[1:]:
        wide = search(decoder, scene, width)
        for few, many in zip(narrow, wide, strict=True):
            assert {h.tokens for h in few} <= {h.tokens for h in many}
            assert many[0].score >= few[0].score - 1e-9
            assert [h.score for h in many] == sorted((h.score for h in many), reverse=True)
            assert len({h.tokens for h in many}) == width
        narrow = wide


def test_pictures_are_searched_together_as_alone(looking):
    decoder, scene = looking
    for b, found in enumerate(search(decoder, scene, 3)):
        assert [h.tokens for h in search(decoder, alone(scene, b), 3)[0]] == [h.tokens for h in found]


def test_the_score_is_the_sentence_read_again(looking):
    decoder, scene = looking
    for b, found in enumerate(search(decoder, scene, 3)):
        for h in found:
            (again,) = force_decode(decoder, alone(scene, b), [h.tokens])
            total = sum(float(s.log_probabilities[s.token]) for s in again)
            assert h.log_probability == pytest.approx(total)
            assert h.score == pytest.approx(total / (len(h.tokens) + 1) ** LENGTH_POWER)


def test_sentences_are_retraced_together_as_alone(looking):
    decoder, scene = looking
    sentences = [(5, 6, 7, 8), (9,), (5, 9, 5), (7, 7)]
    for b, together in enumerate(force_decode(decoder, scene, sentences)):
        (by_itself,) = force_decode(decoder, alone(scene, b), sentences[b : b + 1])
        assert [s.token for s in together] == [s.token for s in by_itself] == [*sentences[b], END]
        for one, other in zip(together, by_itself, strict=True):
            torch.testing.assert_close(one.log_probabilities, other.log_probabilities)


def test_every_sentence_ends_and_says_only_words(looking):
    decoder, scene = looking
    for found in search(decoder, scene, 8):
        for h in found:
            assert 1 <= len(h.tokens) <= MAX_WORDS
            assert not {START, END, UNKNOWN} & set(h.tokens)
            triples = list(zip(h.tokens, h.tokens[1:], h.tokens[2:], strict=False))
            assert len(triples) == len(set(triples))


def test_the_beam_after_each_word_grows_to_the_final_one(looking):
    decoder, scene = looking
    path = [beam.hypotheses()[0] for beam in beam_search(decoder, alone(scene, 0), 1, 4)]
    for words, found in enumerate(path, 1):
        assert max(len(h.tokens) for h in found) == min(words, max(len(h.tokens) for h in path[-1]))
    assert path[-1] == search(decoder, alone(scene, 0), 4)[0]


def test_nearly_cold_sampling_is_greedy_and_a_seed_repeats(looking):
    decoder, scene = looking
    one = alone(scene, 0)
    greedy = [s.token for s in generate(decoder, one)]
    assert [s.token for s in generate(decoder, one, nucleus_sampler(1e-6, 1.0, seed=1))] == greedy
    assert [
        s.token for s in generate(decoder, one, nucleus_sampler(5.0, 1e-9, seed=1))
    ] == greedy  # only the first word is kept
    drawn = [
        tuple(s.token for s in generate(decoder, one, nucleus_sampler(3.0, 1.0, seed))) for seed in (1, 1, 2, 3, 4)
    ]
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) > 1
    assert all(d[-1] == END and UNKNOWN not in d and START not in d for d in drawn)


def test_sampling_follows_the_distribution():
    p = torch.tensor([0.5, 0.3, 0.15, 0.05])
    choose = nucleus_sampler(1.0, 0.9, seed=0)
    counts = torch.bincount(torch.tensor([choose(p.log()) for _ in range(4000)]), minlength=4) / 4000
    torch.testing.assert_close(counts, torch.tensor([0.5, 0.3, 0.15, 0.0]) / 0.95, atol=0.03, rtol=0)


@pytest.mark.parametrize(("temperature", "top_p"), [(0.0, 0.9), (-1.0, 0.9), (1.0, 0.0), (1.0, 1.5)])
def test_sampling_refuses_what_means_nothing(temperature, top_p):
    with pytest.raises(ValueError, match="temperature"):
        nucleus_sampler(temperature, top_p, 0)


def test_what_may_not_come_next():
    assert no_repeat_trigrams([START]) == [END]
    assert no_repeat_trigrams([START, 5, 6, 7, 5, 6]) == [7]
    assert no_repeat_trigrams([START, 5, 6, 7]) == []


def test_score_prefers_neither_short_nor_long_by_itself():
    short, long = Hypothesis((5,), math.log(0.25)), Hypothesis((5, 6, 7), math.log(0.0625))
    assert short.log_probability > long.log_probability
    assert (short.score > long.score) == (2 ** (1 - LENGTH_POWER) < 4 ** (1 - LENGTH_POWER))
