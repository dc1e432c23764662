"""python -m pipeline digit IMAGE... [--json]"""

from __future__ import annotations

import argparse

from pipeline.clip import unpacked
from pipeline.commands.printing import print_results
from pipeline.commands.reading import add_inputs, opened, read_each, wanted
from pipeline.digits import Digit, DigitReader, load_digits
from pipeline.media import Clip, MediaError


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("digit", help="read a handwritten digit with LeNet-5")
    add_inputs(parser, "a picture of one digit, or a folder of such")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    args.each = True  # a folder of digits is no clip
    paths = wanted(args)
    streams, reader = opened(paths), load_digits()
    results = read_each(streams, lambda stream: read(stream.clip(), reader))
    return print_results(results, len(paths), args, as_json, {"digit": False, "probability": True}, as_row)


def read(clip: Clip, reader: DigitReader) -> Digit:
    try:
        return reader.read(unpacked(clip.frames[0].jpeg))
    except ValueError as error:
        raise MediaError(str(error)) from error


def as_json(digit: Digit) -> dict[str, object]:
    return {"label": digit.label, "probability": round(float(digit.probabilities[digit.label]), 4)}


def as_row(digit: Digit) -> tuple[str, ...]:
    return str(digit.label), f"{digit.probabilities[digit.label]:.2f}"
