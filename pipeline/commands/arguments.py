"""Arguments that the commands share, and the inputs that they select."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from pipeline.media.inputs import expand_inputs

RESULT_PREFIX = b'{"input": '  # of every line of results


class UsageError(Exception):
    """The arguments cannot be followed; the message is one sentence."""


def add_inputs(parser: argparse.ArgumentParser, what: str) -> None:
    """The arguments of every command that reads many inputs."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help=what)
    parser.add_argument("--each", action="store_true", help="every image in a folder is an input of its own")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE.jsonl",
        help="append the JSON lines to this file, and leave out the inputs that have a result there already",
    )


def add_engine(parser: argparse.ArgumentParser) -> None:
    """The argument of the commands that can leave this machine."""
    parser.add_argument(
        "--engine",
        choices=["local", "ray"],
        default="local",
        help="ray: spread the inputs, local paths or URLs, over a Ray cluster (requirements-ray.txt)",
    )


def select_inputs(args: argparse.Namespace) -> list[str]:
    """The inputs that the arguments mean, each once, without those that --out has already. Raises UsageError."""
    done = completed_inputs(args.out) if args.out else set()
    kind: Callable[[str], Path] = Path
    if getattr(args, "engine", "local") == "ray":
        if not (find_spec("ray") and find_spec("upath")):
            raise UsageError("--engine ray needs Ray: pip install -r requirements-ray.txt")
        from upath import UPath as kind  # the same for local paths and URLs
    return [path for path in dict.fromkeys(expand_inputs(args.paths, args.each, kind)) if path not in done]


def completed_inputs(file: Path) -> set[str]:
    """The inputs with a result in a file that --out wrote; errors are tried again, and a line that an interruption tore
    is cut off. Raises UsageError if it is another kind of file, which is left as it is, or cannot be written."""
    try:
        with file.open("a+b") as opened_file:
            opened_file.seek(0)
            *lines, torn = opened_file.read().split(b"\n")
            rows = [json.loads(line) for line in lines]
            done = {row["input"] for row in rows if "error" not in row}
            if not (torn.startswith(RESULT_PREFIX) or RESULT_PREFIX.startswith(torn)):
                raise ValueError
            opened_file.truncate(sum(len(line) + 1 for line in lines))
    except OSError as error:
        raise UsageError(f"{file} could not be opened: {error.strerror}.") from error
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{file} holds something else than results; nothing was written to it.") from error
    return done
