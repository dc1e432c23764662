"""python -m pipeline digit IMAGE... [--json] [--out FILE.jsonl]"""

from __future__ import annotations

import argparse

from pipeline.commands.arguments import add_inputs, select_inputs
from pipeline.commands.local import Result, Runner, run_each
from pipeline.commands.printing import print_results
from pipeline.commands.run import run_inputs
from pipeline.media.clip import Clip, decode_jpeg
from pipeline.models.lenet import DigitReader, load_digits
from pipeline.sandbox.messages import MediaError


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("digit", help="read a handwritten digit with LeNet-5")
    add_inputs(parser, "a picture of one digit, or a folder of such")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    args.each = True  # a folder of digits is no clip
    paths = select_inputs(args)
    columns = {"digit": False, "probability": True}
    return print_results(run_inputs(paths, "local", load), len(paths), args, columns, as_row)


def load() -> Runner:
    reader = load_digits()
    return lambda streams: run_each(streams, lambda stream: read(stream.clip(), reader))


def read(clip: Clip, reader: DigitReader) -> Result:
    try:
        digit = reader.read(decode_jpeg(clip.frames[0].preview_jpeg))
    except ValueError as error:
        raise MediaError(str(error)) from error
    return {"label": digit.label, "probability": round(float(digit.probabilities[digit.label]), 4)}


def as_row(found: Result) -> tuple[str, ...]:
    return str(found["label"]), f"{found['probability']:.2f}"
