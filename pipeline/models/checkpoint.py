"""Checkpoints: weights as safetensors beside a model card in JSON. Loading never unpickles.

A checkpoint ``weights/name`` is two files. ``name.safetensors`` holds the tensors. ``name.json`` is the card: the model
and its sizes, the training data, the command and seed that made it, its measured scores, its limits, and the SHA-256 of
the tensors file. Loading refuses tensors whose hash differs from the card. The card of a recogniser also has
its ``labels``, their ``groups`` for display (each label is in one), and ``finer``: every broad label with its finer
ones.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

PACKAGE = Path(__file__).resolve().parents[1]
# In an installed package the weights lie inside it, in a checkout beside it.
WEIGHTS = PACKAGE / "weights" if (PACKAGE / "weights").is_dir() else PACKAGE.parent / "weights"

Card = dict[str, Any]


class CheckpointError(Exception):
    """A checkpoint is missing, incomplete, or not the one that its card describes."""


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
    """Change entries of a card; the tensors stay as they are."""
    _write_card(stem, {**load_card(stem), **changes})


def _write_card(stem: Path, card: Mapping[str, Any]) -> None:
    stem.with_suffix(".json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def load_card(stem: Path) -> Card:
    """The card alone. Raises CheckpointError if it is missing or not valid JSON."""
    path = stem.with_suffix(".json")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"There is no model card {path.name} in {path.parent}.") from error
    except ValueError as error:
        raise CheckpointError(f"The model card {path.name} is not valid JSON.") from error


def load_checkpoint(stem: Path) -> tuple[dict[str, Tensor], Card]:
    """-> (tensors by name, card). Raises CheckpointError if a file is missing or the hash differs from the card."""
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


def check_labels(name: str, card: Card, count: int) -> None:
    """Raises CheckpointError unless a recogniser's card has ``count`` labels, as its tensors have, each one once and in
    one group, and names no other label under ``finer`` and ``groups``."""
    labels, finer, groups = (card.get(key) for key in ("labels", "finer", "groups"))
    if not isinstance(labels, list) or not isinstance(finer, dict) or not isinstance(groups, dict):
        raise CheckpointError(f"The card {name}.json lacks its labels, or their fields finer and groups.")
    if len(labels) != count:
        raise CheckpointError(f"The card {name}.json has {len(labels)} labels, but its tensors have {count}.")
    named = [*finer, *chain.from_iterable(finer.values()), *(grouped := list(chain.from_iterable(groups.values())))]
    if unknown := sorted(set(named) - set(labels)):
        raise CheckpointError(f"The card {name}.json names a label that it does not have: {unknown[0]}.")
    if sorted(grouped) != sorted(set(labels)) or len(labels) != len(grouped):
        raise CheckpointError(f"The card {name}.json does not have every label once, in one group.")


def available(weights: Path = WEIGHTS) -> list[str]:
    """The names of all checkpoints in a folder: "action-gru", "action-lstm", ..., "language-words-lstm"."""
    return sorted(path.stem for path in weights.glob("*.json") if path.with_suffix(".safetensors").exists())
