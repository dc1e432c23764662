"""Arguments that the commands share, and the inputs that they select."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from pipeline.commands.output import STANDARD_OUTPUT, is_input
from pipeline.media.inputs import expand_inputs
from pipeline.media.spool import is_stream
from pipeline.models.action import ActionModel, load_action
from pipeline.models.recurrent import CELLS
from pipeline.sandbox.messages import printable
from pipeline.teaching.taught_file import load_taught

RESULT_PREFIX = b'{"input": '  # of every line of results
RESULTS = {"label", "caption", "error"}  # of which every line has one
NAMED = 20  # files that are named when they are left out


class UsageError(Exception):
    """The arguments cannot be followed; the message is one sentence."""


def add_inputs(parser: argparse.ArgumentParser, what: str) -> None:
    """The arguments of every command that reads many inputs."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help=f"{what}; - is standard input")
    parser.add_argument("--each", action="store_true", help="every image in a folder is an input of its own")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE.jsonl",
        help="append the JSON lines to this file, and skip the inputs that have a result there already; - is standard "
        "output",
    )


def add_engine(parser: argparse.ArgumentParser) -> None:
    """The argument of the commands that can leave this machine."""
    parser.add_argument(
        "--engine",
        choices=["local", "ray"],
        default="local",
        help="ray: spread the inputs, local paths or URLs, over a Ray cluster (requirements-ray.txt)",
    )


def add_recogniser(parser: argparse.ArgumentParser) -> None:
    """The arguments that choose a shipped recogniser or a taught one."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--cell", choices=CELLS, default="lstm", help="the recurrent cell (default: %(default)s)")
    group.add_argument("--model", type=Path, metavar="NAME.safetensors", help="a recogniser that `teach` wrote")


def chosen_recogniser(cell: str, taught: Path | None) -> ActionModel:
    """The taught recogniser if a file is given, else the shipped one. Raises CheckpointError."""
    shipped = load_action(cell)
    return load_taught(taught, shipped)[0] if taught else shipped


def select_inputs(args: argparse.Namespace) -> list[str]:
    """The inputs that the arguments mean, each once, without those that --out has already. Raises UsageError.

    Files that were met in folders and are no inputs are named on standard error.
    """
    kind: Callable[[str], Path] = Path
    if getattr(args, "engine", "local") == "ray":
        if not (find_spec("ray") and find_spec("upath")):
            raise UsageError("--engine ray needs Ray: pip install -r requirements-ray.txt")
        if any(is_stream(path) for path in args.paths):
            raise UsageError("--engine ray reads no pipe and no standard input: workers cannot reach it.")
        from upath import UPath

        kind = cast("Callable[[str], Path]", UPath)  # local paths and URLs
    paths, left_out = expand_inputs(args.paths, args.each, kind)
    if args.out and (problem := is_input(args.out, paths)) is not None:
        raise UsageError(problem)
    done = {path for path in completed_inputs(args.out) if not is_stream(path)} if args.out else set()
    report_left_out([path for path in left_out if not is_same_path(path, args.out)])
    return [path for path in dict.fromkeys(paths) if path not in done]


def is_same_path(path: str, out: Path | None) -> bool:
    return out is not None and os.path.realpath(path) == os.path.realpath(out)


def report_left_out(names: Sequence[str], folder: str = "") -> None:
    """One sentence on standard error that counts and names the files that are not read."""
    if names:
        shown = ", ".join(printable(name) for name in names[:NAMED]) + (", ..." if len(names) > NAMED else "")
        what = "1 file is" if len(names) == 1 else f"{len(names)} files are"
        print(f"{printable(folder)}{': ' if folder else ''}{what} left out: {shown}.", file=sys.stderr)


def completed_inputs(file: Path) -> set[str]:
    """The inputs with a result in a file that --out wrote; errors are tried again, and a line that an interruption tore
    is cut off. Raises UsageError if it is another kind of file, which is left as it is, or cannot be written."""
    if str(file) in STANDARD_OUTPUT or (file.exists() and not file.is_file() and not file.is_dir()):
        return set()  # a pipe or a device: nothing can be read from it
    try:
        with file.open("a+b") as opened_file:
            opened_file.seek(0)
            *lines, torn = opened_file.read().split(b"\n")
            rows = [json.loads(line) for line in lines]
            done = {row["input"] for row in rows if "error" not in row}
            if not (torn.startswith(RESULT_PREFIX) or RESULT_PREFIX.startswith(torn)):
                raise ValueError
            if not all(RESULTS & set(row) for row in rows):
                raise ValueError
            if torn:
                opened_file.truncate(sum(len(line) + 1 for line in lines))
    except OSError as error:
        raise UsageError(f"{file} could not be opened: {error.strerror or 'input/output error'}.") from error
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{file} holds something else than results; nothing was written to it.") from error
    return done
