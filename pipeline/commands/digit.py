"""python -m pipeline digit IMAGE... [--json]"""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.commands.printing import Results, print_json, print_table
from pipeline.digits import Digit, DigitReader, load_digits
from pipeline.media import MediaError, read_clip


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("digit", help="read a handwritten digit with LeNet-5")
    parser.add_argument("paths", nargs="+", metavar="IMAGE", help="a picture of one digit")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    results = read(args.paths, load_digits())
    if args.json:
        return print_json(results, as_json)
    return print_table(results, len(args.paths), {"digit": False, "probability": True}, as_row)


def read(paths: list[str], reader: DigitReader) -> Results[Digit]:
    for path in paths:
        try:
            image = read_clip(Path(path)).frames[0].image
        except MediaError as error:
            yield path, error
            continue
        try:
            yield path, reader.read(image)
        except ValueError as error:
            yield path, MediaError(f"{Path(path).name}: {error}")


def as_json(digit: Digit) -> dict[str, object]:
    return {"label": digit.label, "probability": round(float(digit.probabilities[digit.label]), 4)}


def as_row(digit: Digit) -> tuple[str, ...]:
    return str(digit.label), f"{digit.probabilities[digit.label]:.2f}"
