"""The words for what is not sure. The rule for labels is in hedging.py; the one for captions is in the captioner."""

from __future__ import annotations

NOT_SURE, GUESS = "not sure", "a guess"


def caption_text(caption: str, confident: bool) -> str:
    """The caption, or "a guess: caption" if its confidence does not reach the threshold of the captioner."""
    return caption if confident else f"{GUESS}: {caption}"
