"""From paths to results as they come: a JSON object a line for programs, a table for people, errors in a sentence."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import TypeVar

from pipeline.media import Clip, MediaError, read_clip

Answer = TypeVar("Answer")
Results = Iterable[tuple[str, Answer | MediaError]]  # each input with what was found, or why it cannot be read


def read_each(paths: Sequence[str], answer: Callable[[Clip], Answer]) -> Results[Answer]:
    """What ``answer`` makes of each path's clip, one after the other; it may raise MediaError itself."""
    for path in paths:
        try:
            yield path, answer(read_clip(Path(path)))
        except MediaError as error:
            yield path, error


def read_photos_together(
    paths: Sequence[str], count: int, answer: Callable[[Sequence[Clip]], Iterable[Answer]]
) -> Results[Answer]:
    """What ``answer`` makes of up to ``count`` photos in a row at once, or of one clip."""
    opened = read_each(paths, lambda clip: clip)
    for kind, alike in groupby(opened, lambda pair: getattr(pair[1], "kind", None)):
        while batch := list(islice(alike, count if kind == "photo" else 1)):
            names, clips = zip(*batch, strict=True)
            yield from batch if kind is None else zip(names, answer(clips), strict=True)


def print_json(results: Results[Answer], as_json: Callable[[Answer], dict[str, object]]) -> int:
    """-> the exit status."""
    status = 0
    for name, outcome in results:
        if isinstance(outcome, MediaError):
            line, status = {"input": name, "error": str(outcome)}, 1
        else:
            line = {"input": name, **as_json(outcome)}
        print(json.dumps(line, ensure_ascii=False), flush=True)
    return status


def print_table(
    results: Results[Answer], count: int, columns: dict[str, bool], row: Callable[[Answer], tuple[str, ...]]
) -> int:
    """-> the exit status. ``columns`` says of each whether it is narrow (a number); the input comes before them."""
    from rich.console import Console
    from rich.progress import track
    from rich.table import Table
    from rich.text import Text

    console, errors, status = Console(), Console(stderr=True), 0
    table = Table(box=None, pad_edge=False)
    table.add_column("input", overflow="fold", ratio=2)
    for name, narrow in columns.items():
        table.add_column(name, justify="right" if narrow else "left", no_wrap=narrow, ratio=None if narrow else 3)
    for name, outcome in track(results, "Reading", count, console=errors, transient=True, disable=count == 1):
        if isinstance(outcome, MediaError):
            errors.print(Text(str(outcome), "red"))
            status = 1
        else:
            table.add_row(*map(Text, (name, *row(outcome))))
    if table.row_count:
        console.print(table)
    return status
