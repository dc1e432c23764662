"""When a prediction counts as an answer: one rule for the pages, the exports and the command line."""

from __future__ import annotations

NOT_SURE, GUESS = "not sure", "a guess"


def is_confident(probability: float, threshold: float) -> bool:
    """Whether the likeliest label may be given as the answer; ``threshold`` is the model's."""
    return bool(probability >= threshold)


def answer_text(label: str, probability: float, threshold: float) -> str:
    """The label, or "not sure: label" if its probability does not reach the threshold."""
    return label if is_confident(probability, threshold) else f"{NOT_SURE}: {label}"


def caption_text(caption: str, confident: bool) -> str:
    """The caption, or "a guess: caption" if its confidence does not reach the threshold of the captioner."""
    return caption if confident else f"{GUESS}: {caption}"
