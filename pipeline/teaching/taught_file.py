"""The file of a taught recogniser: tensors as safetensors, with the card as JSON in its metadata. Nothing is pickled.

A file comes from anywhere, so everything in it is checked before it is used: the size of the file and of its header,
the names, shapes and types of the tensors, that all numbers are finite, and every entry of the card. It holds what was
learned; with the examples, at the person's wish, also the features of the clips, from which more clips can be added.
No picture is in it, and no name of a file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from pipeline.limits import TAUGHT_MEGABYTES, TEACH_CLIPS, TEACH_LABELS
from pipeline.models import efficientnet_lite, movinet
from pipeline.models.action import ActionModel
from pipeline.models.checkpoint import CheckpointError
from pipeline.models.taught import TaughtModel, TaughtNetwork
from pipeline.teaching.examples import Example, TeachingError, checked_label
from pipeline.teaching.lesson import FORMAT, MODEL, fingerprints

HEADER_BYTES = 1_000_000
LARGEST = 1e6  # that a number may be
MAX_FRAMES = 256  # of one kept clip; a video is read as 64
CLIP_WIDTHS = {
    "appearance": efficientnet_lite.FEATURE_SIZE,
    "motion": movinet.FEATURE_SIZE,
    "layout": movinet.LAYOUT_SIZE,
}


CARD_KEYS = (
    *("format", "model", "labels", "clips", "moves", "background", "familiar", "temperatures", "threshold", "seed"),
    "read_by",
)


class TaughtFileError(CheckpointError):
    """A file is no taught recogniser, or is damaged; the message is one sentence."""


def save_taught(model: TaughtModel, examples: Sequence[Example] = ()) -> bytes:
    """The file, with the features of these examples if any are given. Raises TaughtFileError if it would be too
    large."""
    tensors, kept = learned_tensors(model.network), []
    for number, each in enumerate(examples):
        label = model.actions.index(each.label)
        kept.append({"label": label, "duration": round(each.duration, 3), "moves": each.moves})
        for part in (*CLIP_WIDTHS, "seen"):
            if (rows := getattr(each, part)) is not None:
                tensors[f"clip{number}.{part}"] = torch.from_numpy(rows)
    card = {**model.card, "kept": kept}
    data = save({name: tensor.contiguous() for name, tensor in tensors.items()}, {"card": json.dumps(card)})
    if len(data) > TAUGHT_MEGABYTES * 1_000_000:
        raise TaughtFileError(
            f"With the features of the clips the file would be larger than {TAUGHT_MEGABYTES} MB; leave them out."
        )
    return data


def load_taught(source: bytes | Path, shipped: ActionModel) -> tuple[TaughtModel, list[Example]]:
    """The recogniser of a file, and the examples that were kept in it. Raises TaughtFileError for any other file."""
    data = file_bytes(source) if isinstance(source, Path) else source
    try:
        card, described = header_of(data)
        check_card(card)
        check_tensors(card, described, len(shipped.labels))
        tensors = load(data)
        check_numbers(tensors)
        return model_of(card, tensors, shipped), examples_of(card, tensors)
    except (
        SafetensorError,
        TeachingError,
        ValueError,
        TypeError,
        KeyError,
        RecursionError,
        OverflowError,
        AttributeError,
    ) as error:
        raise TaughtFileError("The file is damaged, or is no recogniser that was taught here.") from error


def file_bytes(path: Path) -> bytes:
    """The file, or a little more of it than a taught recogniser may have."""
    try:
        with path.open("rb") as file:
            return file.read(TAUGHT_MEGABYTES * 1_000_000 + 1)
    except OSError as error:
        raise TaughtFileError(f"{path} could not be read: {error.strerror or 'input/output error'}.") from error


def header_of(data: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """The card, and what the header says of the tensors."""
    if len(data) > TAUGHT_MEGABYTES * 1_000_000:
        raise TaughtFileError(f"A taught recogniser has at most {TAUGHT_MEGABYTES} MB.")
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or not 2 <= length <= min(HEADER_BYTES, len(data) - 8):
        raise ValueError("no header")
    described = json.loads(data[8 : 8 + length])
    card = json.loads(described.pop("__metadata__")["card"])
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise ValueError("no card")
    return card, described


def check_card(card: dict[str, Any]) -> None:
    """Raises an error unless every entry that is used has its type and range."""
    labels, temperatures = card["labels"], card["temperatures"]
    if not isinstance(labels, list) or not 2 <= len(labels) <= TEACH_LABELS or len(set(labels)) < len(labels):
        raise ValueError("labels")
    if any(not isinstance(label, str) or checked_label(label) != label for label in labels):
        raise ValueError("a label")
    if not isinstance(temperatures, list) or len(temperatures) != 2:
        raise ValueError("temperatures")
    ranges = [(card["threshold"], 0, 1), (card["familiar"], 0, 1), *((t, 1e-3, 1e3) for t in temperatures)]
    for value, low, high in ranges:
        if type(value) not in (int, float) or not low <= value <= high:
            raise ValueError("a number of the card")
    if card["model"] != MODEL or not isinstance(card["seed"], int):
        raise ValueError("what it is")
    if not isinstance(card["moves"], bool) or not isinstance(card["background"], bool):
        raise ValueError("a switch of the card")
    check_counts(card, len(labels))
    if card["read_by"] != fingerprints():
        raise TaughtFileError(
            "The recogniser was taught with other encoders than are installed here; it must be taught again from its "
            "clips."
        )


def check_counts(card: dict[str, Any], labels: int) -> None:
    """The clips of each label, those that are kept, and the figures."""
    kept, clips, figures = card["kept"], card["clips"], card["left_out"]
    if not isinstance(kept, list) or len(kept) > TEACH_LABELS * TEACH_CLIPS:
        raise ValueError("kept clips")
    for each in kept:
        if type(each["label"]) is not int or not 0 <= each["label"] < labels or type(each["moves"]) is not bool:
            raise ValueError("a kept clip")
        if type(each["duration"]) not in (int, float) or not 0 <= each["duration"] < 1e6:
            raise ValueError("a duration")
    if not isinstance(clips, list) or len(clips) != labels or not all(is_count(count) for count in clips):
        raise ValueError("counts")
    if figures is not None:
        right, count = figures["right"], figures["clips"]
        if not (is_count(right) and is_count(count) and right <= count and count > 0):
            raise ValueError("figures")


def is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= TEACH_LABELS * TEACH_CLIPS


def check_tensors(card: dict[str, Any], described: dict[str, Any], seen: int) -> None:
    """Raises an error unless the file has the tensors of its card, no others, in their shapes and types."""
    expected = expected_tensors(card, seen)
    if set(described) != set(expected):
        raise ValueError("names of tensors")
    for name, (dtype, shape) in expected.items():
        found, sizes = described[name], described[name]["shape"]
        if found["dtype"] != dtype or len(sizes) != len(shape) or any(type(size) is not int for size in sizes):
            raise ValueError(name)
        pairs = zip(sizes, shape, strict=True)
        if not all(size == wanted or (wanted < 0 and 1 <= size <= MAX_FRAMES) for size, wanted in pairs):
            raise ValueError(name)
    for number, each in enumerate(card["kept"]):
        parts = [described[f"clip{number}.{part}"]["shape"][0] for part in widths_of(each)]
        if len(set(parts)) > 1:
            raise ValueError("a kept clip has parts of different lengths")


def expected_tensors(card: dict[str, Any], seen: int) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Type and shape of every tensor by its name; -1 is the number of frames of a clip."""
    tensors = learned_tensors(network_of(card, seen))
    expected = {name: ("F32", tuple(tensor.shape)) for name, tensor in tensors.items()}
    for number, each in enumerate(card["kept"]):
        expected |= {f"clip{number}.{part}": ("F16", (-1, width)) for part, width in widths_of(each).items()}
        expected[f"clip{number}.seen"] = ("F16", (seen,))
    return expected


def widths_of(kept: dict[str, Any]) -> dict[str, int]:
    """The parts of a kept clip that have a row for each frame."""
    return CLIP_WIDTHS if kept["moves"] else {"appearance": CLIP_WIDTHS["appearance"]}


def learned_tensors(network: TaughtNetwork) -> dict[str, Tensor]:
    """All but the cell, whose weights are the same in every taught recogniser."""
    return {name: tensor for name, tensor in network.state_dict().items() if not name.startswith("cell.")}


def network_of(card: dict[str, Any], seen: int) -> TaughtNetwork:
    return TaughtNetwork(len(card["labels"]), seen if card["background"] else 0)


def check_numbers(tensors: dict[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        largest = float(tensor.float().abs().max()) if tensor.numel() else 0.0  # NaN if there is one
        if not largest <= LARGEST:
            raise ValueError(name)
    if "std" in tensors and float(tensors["std"].min()) <= 0:
        raise ValueError("std")


def model_of(card: dict[str, Any], tensors: dict[str, Tensor], shipped: ActionModel) -> TaughtModel:
    """The recogniser, with the entries of the card that were checked."""
    network = network_of(card, len(shipped.labels))
    own = {name: tensor for name, tensor in tensors.items() if not name.startswith("clip")}
    network.load_state_dict({**network.state_dict(), **own}, strict=True)
    figures = card["left_out"] and {key: card["left_out"][key] for key in ("right", "clips")}
    return TaughtModel(network, {**{key: card[key] for key in CARD_KEYS}, "left_out": figures}, shipped)


def examples_of(card: dict[str, Any], tensors: dict[str, Tensor]) -> list[Example]:
    """The kept clips; their names are the numbers that they have in the file."""
    found = []
    for number, each in enumerate(card["kept"]):
        parts = {part: tensors.get(f"clip{number}.{part}") for part in (*CLIP_WIDTHS, "seen")}
        arrays = {part: None if tensor is None else tensor.numpy() for part, tensor in parts.items()}
        name = f"clip {number + 1} of the file"
        found.append(Example(card["labels"][each["label"]], name, float(each["duration"]), **arrays))  # type: ignore[arg-type]
    return found
