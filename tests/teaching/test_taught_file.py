"""The file of a taught recogniser: it gives the same answers again, and every damaged file is one sentence."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from pipeline.models.checkpoint import CheckpointError
from pipeline.teaching import taught_file
from pipeline.teaching.lesson import learn
from pipeline.teaching.taught_file import TaughtFileError, load_taught, save_taught
from tests.teaching.made_examples import example, examples, frames

FUZZED = 240


@pytest.fixture(scope="module")
def given():
    return examples("abc", 3)


@pytest.fixture(scope="module")
def lesson(given, lstm):
    return learn(given, lstm, background=True)


@pytest.fixture(scope="module")
def data(lesson) -> bytes:
    return save_taught(lesson.model)


def parts_of(data: bytes) -> tuple[dict, dict]:
    """The card and the tensors."""
    length = int.from_bytes(data[:8], "little")
    return json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["card"]), load(data)


def test_the_same_answers_to_the_last_bit(lesson, given, data, lstm):
    model, kept = load_taught(data, lstm)
    assert kept == []
    assert model.labels == lesson.model.labels
    assert model.threshold == lesson.model.threshold
    for one in (given[0], example("b", 77)):
        for mine, theirs in zip(model.predict(frames(one)), lesson.model.predict(frames(one)), strict=True):
            np.testing.assert_array_equal(mine.probabilities, theirs.probabilities)


def test_nothing_of_the_clips_is_in_it_unless_it_is_wished(lesson, given, data, lstm):
    assert b"mp4" not in data
    assert b"clip0" not in data
    kept = save_taught(lesson.model, given)
    assert b"mp4" not in kept
    _, examples_again = load_taught(kept, lstm)
    assert [one.label for one in examples_again] == [one.label for one in given]
    for mine, theirs in zip(examples_again, given, strict=True):
        np.testing.assert_array_equal(mine.motion, theirs.motion)
    again = learn(examples_again, lstm, background=True)
    assert again.model.card == lesson.model.card


def test_a_file_larger_than_the_limit_is_neither_written_nor_read(monkeypatch, lesson, given, data, lstm, tmp_path):
    monkeypatch.setattr(taught_file, "TAUGHT_MEGABYTES", 0.1)
    with pytest.raises(TaughtFileError, match="leave them out"):
        save_taught(lesson.model, given)
    with pytest.raises(TaughtFileError, match="at most"):
        load_taught(data, lstm)


def test_a_recogniser_of_other_encoders_says_so(data, lstm):
    card, tensors = parts_of(data)
    card["read_by"]["encoder"] = "0" * 16
    with pytest.raises(TaughtFileError, match="other encoders"):
        load_taught(save(tensors, {"card": json.dumps(card)}), lstm)


def damaged(data: bytes, seed: int) -> bytes:
    """The file with something wrong: bytes, the header, the card, a tensor."""
    rng = random.Random(seed)
    raw = bytearray(data)
    kind = seed % 6
    if kind == 0:
        return bytes(raw[: rng.randrange(len(raw))])
    if kind == 1:  # some bytes of the length or the header
        for _ in range(rng.randint(1, 8)):
            raw[rng.randrange(400)] = rng.randrange(256)
        return bytes(raw)
    if kind == 2:
        raw[:8] = rng.choice([0, 1, 2**31, 2**63, len(raw), len(raw) - 8]).to_bytes(8, "little")
        return bytes(raw)
    if kind == 3:
        return rng.randbytes(rng.randrange(3000))
    card, tensors = parts_of(data)
    if kind == 4:
        wrong = [
            None,
            -1,
            1e400,
            float("nan"),
            "",
            "x" * 99,
            [],
            {},
            [["a"]],
            True,
            2**70,
            ["a", "a"],
            "\u202e",
            [1, 2],
        ]
        card[rng.choice([key for key in card if key not in ("seed",)])] = rng.choice(wrong)
        return save(tensors, {"card": json.dumps(card)})
    name = rng.choice(list(tensors))
    change = rng.randrange(5)
    if change == 0:
        del tensors[name]
    elif change == 1:
        tensors[name] = tensors[name].flatten()[:-1].clone()
    elif change == 2:
        tensors[name] = tensors[name].double()
    elif change == 3:
        tensors[name] = tensors[name].clone()
        tensors[name].view(-1)[rng.randrange(tensors[name].numel())] = rng.choice([float("nan"), float("inf"), -1e30])
    else:
        tensors["more"] = torch.zeros(3)
    return save(tensors, {"card": json.dumps(card)})


def test_every_damaged_file_is_one_sentence(data, lstm):
    sentences = []
    for seed in range(FUZZED):
        broken = damaged(data, seed)
        try:
            model, _ = load_taught(broken, lstm)
        except CheckpointError as error:
            sentences.append(str(error))
            continue
        # What is taken has sound numbers and labels, whatever it was (a bit of a name of no use, the same value again).
        (step, *_) = model.predict(frames(example("a", 1)))
        assert np.isfinite(step.probabilities).all()
        assert all(isinstance(label, str) and len(label) <= 40 for label in model.labels)
    assert len(sentences) > 0.9 * FUZZED
    assert all(sentence.endswith(".") and len(sentence) < 200 for sentence in sentences)


def test_a_missing_file_is_one_sentence(lstm, tmp_path):
    with pytest.raises(TaughtFileError, match="could not be read"):
        load_taught(tmp_path / "none.safetensors", lstm)
