"""python -m pipeline digit IMAGE... [--json]"""

from __future__ import annotations

import argparse

from pipeline.commands.printing import print_json, print_table, read_each
from pipeline.digits import Digit, DigitReader, load_digits
from pipeline.media import Clip, MediaError


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("digit", help="read a handwritten digit with LeNet-5")
    parser.add_argument("paths", nargs="+", metavar="IMAGE", help="a picture of one digit")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    reader = load_digits()
    results = read_each(args.paths, lambda clip: read(clip, reader))
    if args.json:
        return print_json(results, as_json)
    return print_table(results, len(args.paths), {"digit": False, "probability": True}, as_row)


def read(clip: Clip, reader: DigitReader) -> Digit:
    try:
        return reader.read(clip.frames[0].image)
    except ValueError as error:
        raise MediaError(str(error)) from error


def as_json(digit: Digit) -> dict[str, object]:
    return {"label": digit.label, "probability": round(float(digit.probabilities[digit.label]), 4)}


def as_row(digit: Digit) -> tuple[str, ...]:
    return str(digit.label), f"{digit.probabilities[digit.label]:.2f}"
