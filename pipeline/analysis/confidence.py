"""When a prediction counts as an answer: one rule for the pages, the exports and the command line."""

from __future__ import annotations

NOT_SURE = "not sure"


def is_confident(probability: float, threshold: float) -> bool:
    """Whether the likeliest label may be given as the answer; ``threshold`` is the model's."""
    return bool(probability >= threshold)


def answer_text(label: str, probability: float, threshold: float) -> str:
    """The label, or "not sure: label" if its probability does not reach the threshold."""
    return label if is_confident(probability, threshold) else f"{NOT_SURE}: {label}"
