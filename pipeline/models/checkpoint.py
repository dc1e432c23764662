"""Weights as safetensors beside a model card in JSON: save, verify, load. Nothing is ever unpickled.

A checkpoint ``weights/name`` is two files: ``name.safetensors``, the numbers, and ``name.json``, the card, which says
what they are, what made them, how good they were measured to be, what they do not know, and the SHA-256 of the
numbers. Loading refuses numbers that are not the ones the card speaks of.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

WEIGHTS = Path(__file__).resolve().parents[2] / "weights"

Card = dict[str, Any]


class CheckpointError(Exception):
    """A checkpoint is missing, incomplete or not the one its card describes."""


def save_checkpoint(stem: Path, tensors: Mapping[str, Tensor], card: Mapping[str, Any]) -> None:
    """Write ``stem.safetensors`` and ``stem.json``; the card receives the SHA-256 and the count of parameters."""
    data = save({name: tensor.detach().contiguous() for name, tensor in tensors.items()})
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_suffix(".safetensors").write_bytes(data)
    full = {
        **card,
        "parameters": sum(t.numel() for t in tensors.values()),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    _write_card(stem, full)


def change_card(stem: Path, changes: Mapping[str, Any]) -> None:
    """Put new entries into the card of weights that stay as they are."""
    _write_card(stem, {**load_card(stem), **changes})


def _write_card(stem: Path, card: Mapping[str, Any]) -> None:
    stem.with_suffix(".json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n")


def load_card(stem: Path) -> Card:
    """The card alone. Raises CheckpointError if there is none."""
    path = stem.with_suffix(".json")
    try:
        return json.loads(path.read_text())
    except FileNotFoundError as error:
        raise CheckpointError(f"There is no model card {path.name} in {path.parent}.") from error
    except ValueError as error:
        raise CheckpointError(f"The model card {path.name} is not valid JSON.") from error


def load_checkpoint(stem: Path) -> tuple[dict[str, Tensor], Card]:
    """-> (tensors by name, card). Raises CheckpointError if the numbers are not the ones the card was written for."""
    card = load_card(stem)
    path = stem.with_suffix(".safetensors")
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise CheckpointError(f"There is a card but no weights: {path.name} is missing.") from error
    found = hashlib.sha256(data).hexdigest()
    if found != card["sha256"]:
        raise CheckpointError(
            f"{path.name} has SHA-256 {found[:12]}..., its card says {card['sha256'][:12]}...: "
            "the file is damaged or belongs to another card; check it out again."
        )
    return load(data), card
