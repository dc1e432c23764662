"""Words for answers that are not sure, and for clips in which nobody acts. The rule for labels is in hedging.py; the
one for captions is in the captioner."""

from __future__ import annotations

NOT_SURE, GUESS = "not sure", "a guess"
NOBODY = "I see nobody doing anything"


def caption_text(caption: str, confident: bool) -> str:
    """The caption, or "a guess: caption" if its confidence does not reach the threshold of the captioner."""
    return caption if confident else f"{GUESS}: {caption}"
