"""Results as they come: a JSON object a line for programs, a table for people, errors in a sentence."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import TextIO

from pipeline.commands.local import Result, Results
from pipeline.sandbox.messages import MediaError

AsRow = Callable[[Result], tuple[str, ...]]

LONGEST_NAME = 28  # characters of an input in a table: its end tells it apart from others, and answers need the room


def print_results(
    run_inputs: Results, count: int, args: argparse.Namespace, columns: dict[str, bool], as_row: AsRow
) -> int:
    """As the arguments want it; -> the exit status. For ``columns`` and ``as_row`` see print_table()."""
    if args.out:
        with args.out.open("a", encoding="utf-8") as file:
            return print_json(tracked(run_inputs, count), file)
    if args.json:
        return print_json(run_inputs)
    return print_table(run_inputs, count, columns, as_row)


def print_json(run_inputs: Results, file: TextIO | None = None) -> int:
    """To stdout, or to a file; -> the exit status."""
    status = 0
    for name, outcome in run_inputs:
        if isinstance(outcome, MediaError):
            line, status = {"input": name, "error": str(outcome)}, 1
        else:
            line = {"input": name, **outcome}
        print(json.dumps(line, ensure_ascii=False).encode(errors="backslashreplace").decode(), file=file, flush=True)
    return status


def tracked(run_inputs: Results, count: int) -> Results:
    """The same, with a progress bar on stderr if there are several."""
    from rich.console import Console
    from rich.progress import track

    return track(run_inputs, "Reading", count, console=Console(stderr=True), transient=True, disable=count <= 1)


def print_table(run_inputs: Results, count: int, columns: dict[str, bool], as_row: AsRow) -> int:
    """-> the exit status. ``columns`` says of each whether it is narrow (a number); the input comes before them."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console, errors, status = Console(), Console(stderr=True), 0
    table = Table(box=None, pad_edge=False)
    table.add_column("input", no_wrap=True)
    for name, narrow in columns.items():
        table.add_column(name, justify="right" if narrow else "left", no_wrap=narrow, ratio=None if narrow else 3)
    for name, outcome in tracked(run_inputs, count):
        if isinstance(outcome, MediaError):
            errors.print(Text(str(outcome), "red"))
            status = 1
        else:
            table.add_row(*map(Text, (shortened(name.encode(errors="replace").decode()), *as_row(outcome))))
    if table.row_count:
        console.print(table)
    return status


def shortened(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else "…" + name[1 - LONGEST_NAME :]
