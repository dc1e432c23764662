"""python -m pipeline explain CLIP --out FILE.html [--cell lstm|gru|rnn | --model NAME.safetensors]

A page of its own, needing no server: a clip's whole frame-by-frame reading, to be mailed or put into a lesson.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pipeline.commands.arguments import UsageError, add_recogniser, chosen_recogniser
from pipeline.commands.output import page_problem, write_page
from pipeline.media.spool import is_stream, spooled
from pipeline.report.html_page import page
from pipeline.sandbox.messages import MediaError

STREAM = "standard input"  # what the page calls it


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("explain", help="write a clip's frame-by-frame reading as a page that needs no server")
    parser.add_argument("path", metavar="CLIP", help="a video, a photo, or a folder of images")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.html")
    add_recogniser(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if (problem := page_problem(args.out, [args.path])) is not None:
        raise UsageError(problem)
    try:
        path, name = Path(args.path), Path(args.path).name
        if is_stream(args.path):  # it is read twice
            path, name = spooled(args.path, STREAM), STREAM
        text = page(path, args.cell, name, chosen_recogniser(args.cell, args.model) if args.model else None)
    except MediaError as error:
        print(error, file=sys.stderr)
        return 1
    write_page(args.out, text)
    return 0
