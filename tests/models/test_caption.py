from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline.models.caption import DECODERS, MAX_FRAMES, CaptionModel, ClipDecoder, frames_read, load_caption
from pipeline.models.decoding import force_decode, nucleus_sampler
from pipeline.models.recurrent import CELLS
from pipeline.models.vocabulary import START, UNKNOWN
from training.caption import make_batch, teacher_forced_logits

WORDS = [f"word{n}" for n in range(40)]
SIZES = {"features": 16, "hidden": 24, "embedded": 12}


@pytest.fixture(params=[(kind, cell) for kind in DECODERS for cell in CELLS], ids="-".join)
def model(request) -> CaptionModel:
    """Untrained, but with opinions."""
    torch.manual_seed(0)
    kind, cell = request.param
    decoder = DECODERS[kind](cell, len(WORDS) + 3, *SIZES.values())
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.mul_(3)
    return CaptionModel(decoder, {"vocabulary": " ".join(WORDS), "threshold": 0.2, "limits": []})


@pytest.fixture
def seen() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, 5, SIZES["features"])).astype(np.float32)


def test_every_word_is_accounted_for(model, seen):
    scene = model.encode_array(seen[:1])
    *steps, end = model.stream_words(scene)
    assert end.word == ""
    for step in (*steps, end):
        assert step.word in {*WORDS, ""}
        ranked = [step.probability, *(p for _, p in step.alternatives)]
        assert step.word not in {word for word, _ in step.alternatives}
        assert 0 < sum(ranked) <= 1 + 1e-5
        if step.attention is not None:
            assert step.attention.shape == (5,)
            assert step.attention.sum() == pytest.approx(1, abs=1e-5)
    caption = model.caption((*steps, end))
    assert caption.text == " ".join(step.word for step in steps)
    assert caption.confidence == pytest.approx(
        np.prod([s.probability for s in (*steps, end)]) ** (1 / (len(steps) + 1))
    )
    assert caption.is_confident == (caption.confidence >= 0.2)


def test_a_sentence_found_by_search_is_explained_with_its_own_score(model, seen):
    scene = model.encode_array(seen)
    best = [found[0] for found in model.search(scene, 3)]
    for caption, sentence in zip(model.describe_words(scene, best), best, strict=True):
        assert caption.text == model.text(sentence)
        assert caption.score == pytest.approx(sentence.score, abs=1e-3)


def test_watching_the_search_ends_where_searching_ends(model, seen):
    scene = model.encode_array(seen[:1])
    *_, last = model.stream_beam_search(scene, 4)
    assert last == model.search(scene, 4)[0]


def test_drawn_words_come_as_a_stream(model, seen):
    steps = model.stream_words(model.encode_array(seen[:1]), nucleus_sampler(1.0, 0.9, seed=4))
    first = next(steps)  # nothing after it was asked for yet
    assert first.word in WORDS


def test_teacher_forcing_and_decoding_agree(model, seen):
    """The shrinking batch of the training gives each step the log-probabilities that decoding gives it."""
    decoder = model.decoder
    sentences = [(0, [5, 6, 7]), (1, [8]), (0, [9, 10])]
    with torch.inference_mode():
        batch = make_batch(sentences)
        logits, targets = teacher_forced_logits(decoder, model.encode_array(seen), batch)
        rows = iter(logits)
        mine: dict[int, list[torch.Tensor]] = {k: [] for k in range(3)}
        for size in batch.batch_sizes:
            for k in range(size):
                mine[k].append(next(rows))
    order = sorted(sentences, key=lambda pair: -len(pair[1]))
    assert targets.tolist() == [5, 9, 8, 6, 10, 0, 7, 0, 0]
    for k, (place, tokens) in enumerate(order):
        (written,) = force_decode(decoder, model.encode_array(seen[[place]]), [tokens])
        for theirs, own in zip(written, mine[k], strict=True):
            sayable = own.index_fill(0, torch.tensor([START, UNKNOWN]), -torch.inf).log_softmax(0)
            torch.testing.assert_close(theirs.log_probabilities, sayable, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("cell", CELLS)
def test_a_clip_read_frame_by_frame_is_each_prefix_read_alone(cell, seen):
    torch.manual_seed(0)
    decoder = ClipDecoder(cell, len(WORDS) + 3, *SIZES.values()).eval()
    torch.nn.init.normal_(decoder.remember.weight)  # as after training: untrained, it ignores what was read before
    model = CaptionModel(decoder, {"vocabulary": " ".join(WORDS), "threshold": 0.2, "limits": []})
    captions = model.captions_per_frame(model.encode_array(seen[:1]), width=2)
    assert len(captions) == 5
    for t, caption in enumerate(captions, 1):
        alone = model.encode_array(seen[:1, :t])
        (expected,) = model.describe_words(alone, [model.search(alone, 2)[0][0]])
        assert caption.text == expected.text
        assert caption.score == pytest.approx(expected.score, abs=1e-4)
        for mine, theirs in zip(caption.steps, expected.steps, strict=True):
            np.testing.assert_allclose(mine.attention[:t], theirs.attention, atol=1e-5)
            assert not mine.attention[t:].any()


def test_missing_places_change_nothing(model, seen):
    model.decoder.double()  # a plain cell with large weights would make much of rounding
    seen = seen.astype(np.float64)
    padded = np.concatenate([seen[:1], np.ones((1, 3, SIZES["features"]))], 1)
    exists = torch.tensor([[True] * 5 + [False] * 3])
    with torch.inference_mode():
        short, long = model.encode_array(seen[:1]), model.decoder.encode(torch.from_numpy(padded), exists)
    for one, other in zip(model.stream_words(short), model.stream_words(long), strict=True):
        assert one.word == other.word
        assert one.probability == pytest.approx(other.probability, abs=1e-5)


@pytest.mark.parametrize("times", [[0.0], [0.2 * k for k in range(24)], [0.2 * k for k in range(64)],
                                   [12.8 * k + 0.2 * n for k in range(8) for n in range(8)]])  # fmt: skip
def test_a_captioner_reads_few_frames_spread_over_the_clip(times):
    read = frames_read(times)
    assert read[0] == 0
    assert read[-1] == len(times) - 1
    assert read == sorted(set(read))
    assert len(read) <= MAX_FRAMES
    assert len(read) == len(times) or len(read) > MAX_FRAMES / 2
    assert len({round(times[k] // 12.8) for k in read}) == len({round(time // 12.8) for time in times})


def test_unknown_names_are_refused():
    with pytest.raises(KeyError, match="poem"):
        load_caption("poem", "lstm")
    with pytest.raises(KeyError, match="tree"):
        load_caption("photo", "tree")
