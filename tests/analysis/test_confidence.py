from __future__ import annotations

from pipeline.analysis.confidence import answer_text, caption_text


def test_what_is_not_sure_is_never_given_as_the_answer():
    assert answer_text("running", 0.5, 0.5) == "running"
    assert answer_text("running", 0.49, 0.5) == "not sure: running"
    assert caption_text("a dog runs", True) == "a dog runs"
    assert caption_text("a dog runs", False) == "a guess: a dog runs"
