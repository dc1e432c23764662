"""python -m pipeline digit IMAGE... [--json] [--out FILE.jsonl]"""

from __future__ import annotations

import argparse

from pipeline.commands.arguments import add_inputs, wanted
from pipeline.commands.local import Found, Reader, each
from pipeline.commands.printing import print_results
from pipeline.commands.run import results
from pipeline.media.clip import Clip, unpacked
from pipeline.models.lenet import DigitReader, load_digits
from pipeline.sandbox.messages import MediaError


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("digit", help="read a handwritten digit with LeNet-5")
    add_inputs(parser, "a picture of one digit, or a folder of such")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    args.each = True  # a folder of digits is no clip
    paths = wanted(args)
    columns = {"digit": False, "probability": True}
    return print_results(results(paths, "local", load), len(paths), args, columns, as_row)


def load() -> Reader:
    reader = load_digits()
    return lambda streams: each(streams, lambda stream: read(stream.clip(), reader))


def read(clip: Clip, reader: DigitReader) -> Found:
    try:
        digit = reader.read(unpacked(clip.frames[0].jpeg))
    except ValueError as error:
        raise MediaError(str(error)) from error
    return {"label": digit.label, "probability": round(float(digit.probabilities[digit.label]), 4)}


def as_row(found: Found) -> tuple[str, ...]:
    return str(found["label"]), f"{found['probability']:.2f}"
