from __future__ import annotations

from pipeline.analysis.confidence import caption_text


def test_a_caption_that_is_not_sure_is_called_a_guess():
    assert caption_text("a dog runs", True) == "a dog runs"
    assert caption_text("a dog runs", False) == "a guess: a dog runs"
