"""Many inputs, one after the other: some are decoded while another one is encoded, and none is read twice."""

from __future__ import annotations

import argparse
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.util import find_spec
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from pipeline.inputs import inputs
from pipeline.media import Clip, ClipStream, MediaError, open_clip

Found = dict[str, Any]  # what a command says of one input: a line of its JSON
Opened = Iterator[tuple[str, ClipStream | MediaError]]  # each input while it is being decoded
Results = Iterable[tuple[str, Found | MediaError]]  # each input with what was found, or why it cannot be read
Reader = Callable[[Opened], Results]  # a command's networks, loaded

BEGINNING = b'{"input": '  # of every line of results
AHEAD = 1  # inputs that are decoded while another one is encoded; on two cores more of them only get into the way


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


def results(paths: list[str], engine: str, load: Callable[..., Reader], **options: Any) -> Results:  # noqa: ANN401
    """What the command whose networks ``load`` loads says of each input, by the engine that was asked for."""
    if engine == "ray":
        from pipeline.commands.distributed import distributed

        return distributed(paths, load, options)
    streams = opened(paths)  # they are decoded while the networks are loaded
    return load(**options)(streams)


def opened(paths: Iterable[str]) -> Opened:
    """The inputs, AHEAD of which are being decoded from now on, before anybody asks for them."""
    rest = iter(paths)
    waiting = deque(map(_open, islice(rest, AHEAD)))

    def given() -> Opened:
        while waiting:
            path, stream = waiting.popleft()
            waiting.extend(map(_open, islice(rest, 1)))
            yield path, stream

    return given()


def _open(path: str) -> tuple[str, ClipStream | MediaError]:
    try:
        return path, open_clip(path)
    except MediaError as error:
        return path, error


def each(streams: Opened, read: Callable[[ClipStream], Found]) -> Results:
    """What ``read`` makes of each input, one after the other; it may raise MediaError itself."""
    for path, stream in streams:
        try:
            if isinstance(stream, MediaError):
                raise stream
            yield path, read(stream)
        except MediaError as error:
            yield path, error


def photos_together(streams: Opened, count: int, read: Callable[[Sequence[Clip]], Iterable[Found]]) -> Results:
    """What ``read`` makes of up to ``count`` photos in a row at once, or of one clip."""
    clips = each(streams, ClipStream.clip)
    for kind, alike in groupby(clips, lambda pair: getattr(pair[1], "kind", None)):
        while batch := list(islice(alike, count if kind == "photo" else 1)):
            names, found = zip(*batch, strict=True)
            yield from batch if kind is None else zip(names, read(found), strict=True)


def wanted(args: argparse.Namespace) -> list[str]:
    """The inputs that the arguments mean, each once, without those that --out has already. Raises UsageError."""
    done = finished(args.out) if args.out else set()
    kind: Callable[[str], Path] = Path
    if getattr(args, "engine", "local") == "ray":
        if not (find_spec("ray") and find_spec("upath")):
            raise UsageError("--engine ray needs Ray: pip install -r requirements-ray.txt")
        from upath import UPath as kind  # the same for local paths and URLs
    return [path for path in dict.fromkeys(inputs(args.paths, args.each, kind)) if path not in done]


def finished(file: Path) -> set[str]:
    """The inputs with a result in a file that --out wrote; errors are tried again, and a line that an interruption tore
    is cut off. Raises UsageError if it is another kind of file, which is left as it is, or cannot be written."""
    try:
        with file.open("a+b") as opened_file:
            opened_file.seek(0)
            *lines, torn = opened_file.read().split(b"\n")
            rows = [json.loads(line) for line in lines]
            done = {row["input"] for row in rows if "error" not in row}
            if not (torn.startswith(BEGINNING) or BEGINNING.startswith(torn)):
                raise ValueError
            opened_file.truncate(sum(len(line) + 1 for line in lines))
    except OSError as error:
        raise UsageError(f"{file} could not be opened: {error.strerror}.") from error
    except (ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{file} holds something else than results; nothing was written to it.") from error
    return done
