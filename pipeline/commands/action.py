"""python -m pipeline action PATH... [--cell lstm|gru|rnn] [--model NAME.safetensors] [--each] [--json] ..."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pipeline.analysis.confidence import NOT_SURE
from pipeline.analysis.reading import read_features
from pipeline.commands.arguments import (
    UsageError,
    add_engine,
    add_inputs,
    add_recogniser,
    chosen_recogniser,
    select_inputs,
)
from pipeline.commands.local import Result, Runner, run_each
from pipeline.commands.printing import print_results
from pipeline.commands.run import run_inputs
from pipeline.media.clip import ClipStream
from pipeline.models.action import ActionModel
from pipeline.models.encoder import Encoder, load_encoder

TOP = 5  # labels in the JSON
SHOWN = 2  # runners-up in the table, and parts of a sum


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("action", help="say what somebody does in each clip")
    add_inputs(parser, "a video, a photo, a folder of images, or a folder of all of these")
    add_engine(parser)
    add_recogniser(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if args.model and args.engine == "ray":
        raise UsageError("--engine ray takes no --model: workers cannot reach the file.")
    chosen_recogniser(args.cell, args.model)  # a damaged file is refused before a clip is read
    paths = select_inputs(args)
    columns = {"action": False, "probability": True, "runners-up": False, "decided": True}
    return print_results(
        run_inputs(paths, args.engine, load, cell=args.cell, taught=args.model), len(paths), args, columns, as_row
    )


def load(cell: str, taught: Path | None = None) -> Runner:
    encoder, model = load_encoder(), chosen_recogniser(cell, taught)
    return lambda streams: run_each(streams, lambda stream: read(stream, encoder, model))


def read(stream: ClipStream, encoder: Encoder, model: ActionModel) -> Result:
    features = encoder.encode_clip(stream)
    reading = read_features(model, features, stream.clip().duration)
    prediction = reading.prediction
    parts = [part for part in rounded(prediction.answer.parts) if part[1] > 0]
    return {
        "label": prediction.label,
        "probability": round(prediction.probability, 4),
        "sure": prediction.is_confident,
        "broader": parts or None,
        "something_else": round(prediction.answer.something_else, 4),
        "decided": None if prediction.decided_step is None else round(reading.times[prediction.decided_step], 3),
        "top": rounded(prediction.ranked[:TOP]),
        "steps": [
            {"time": round(time, 3), "label": answer.label, "probability": round(answer.probability, 4)}
            for time, answer in zip(reading.times, reading.answers, strict=True)
        ],
    }


def rounded(labels: Iterable[tuple[str, float]]) -> list[list[Any]]:
    """Labels with their probabilities, as JSON holds them."""
    return [[label, round(p, 4)] for label, p in labels]


def as_row(found: Result) -> tuple[str, ...]:
    parts = found["broader"] or []
    said = found["label"] if found["sure"] else f"{NOT_SURE}: {found['label']}"
    if parts:
        said += f": {in_words(parts[:SHOWN])}"
    counted = {found["label"], *(label for label, _ in parts)}
    others = in_words([pair for pair in found["top"] if pair[0] not in counted][:SHOWN])
    decided = f"{found['decided']:.1f} s" if found["decided"] is not None and len(found["steps"]) > 1 else ""
    return said, f"{found['probability']:.2f}", others, decided


def in_words(labels: Iterable[Sequence[Any]]) -> str:
    return ", ".join(f"{label} {p:.2f}" for label, p in labels)
