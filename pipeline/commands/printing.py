"""Prints results as they come: as JSON lines or as a table, with one sentence for every error."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from pipeline.commands.arguments import is_same_path, report_left_out
from pipeline.commands.local import Result, Results
from pipeline.commands.output import Write, appending, stdout_is_ascii, write_stdout
from pipeline.sandbox.messages import MediaError, printable

AsRow = Callable[[Result], tuple[str, ...]]

LONGEST_NAME = 28  # characters of an input in a table: its end tells it apart from others, and answers need the room


def print_results(
    results: Results, count: int, args: argparse.Namespace, columns: dict[str, bool], as_row: AsRow
) -> int:
    """Prints as the arguments say. Returns the exit status. For ``columns`` and ``as_row`` see print_table()."""
    if args.out:
        with appending(args.out) as write:
            return print_json(reported(tracked(results, count), args.out), write)
    if args.json:
        return print_json(results)
    return print_table(reported(results, None), count, columns, as_row)


def print_json(results: Results, write: Write | None = None) -> int:
    """One object a line, to standard output or by ``write``. Returns the exit status."""
    status, ascii_only = 0, write is None and stdout_is_ascii()
    for name, outcome in results:
        if isinstance(outcome, MediaError):
            line, status = {"input": name, "error": str(outcome)}, 1
        else:
            line = {"input": name, **outcome}
        # A name that is no text holds lone surrogates. JSON has an escape for them, and readers get the same name back.
        text = json.dumps(line, ensure_ascii=ascii_only).encode(errors="backslashreplace").decode()
        (write or write_stdout)(text + "\n")
    return status


def reported(results: Results, out: Path | None) -> Results:
    """The same results; the files that a folder's clip leaves out are named on standard error, but not ``out``."""
    for name, outcome in results:
        if isinstance(outcome, MediaError) or "left_out" not in outcome:
            yield name, outcome
            continue
        left_out = [file for file in outcome["left_out"] if not is_same_path(f"{name}/{file}", out)]
        report_left_out(left_out, name)
        yield name, {**outcome, "left_out": left_out}


def tracked(results: Results, count: int) -> Results:
    """The same results, with a progress bar on standard error if there are several."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    hidden = count <= 1 or not console.is_terminal
    return track(results, "Reading", count, console=console, transient=True, disable=hidden)


def print_table(results: Results, count: int, columns: dict[str, bool], as_row: AsRow) -> int:
    """A table with the input in the first column. Returns the exit status.

    ``columns`` are the names of the other columns, and whether each is narrow (a number). If the work is interrupted,
    the table shows the results so far.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console, errors, status = Console(), Console(stderr=True), 0
    table = Table(box=None, pad_edge=False)
    table.add_column("input", no_wrap=True)
    for name, narrow in columns.items():
        table.add_column(name, justify="right" if narrow else "left", no_wrap=narrow, ratio=None if narrow else 3)
    try:
        for name, outcome in tracked(results, count):
            if isinstance(outcome, MediaError):
                errors.print(Text(str(outcome), "red"))
                status = 1
            else:
                table.add_row(*map(Text, (shortened(printable(name)), *as_row(outcome))))
    finally:
        if table.row_count:
            with console.capture() as drawn:
                console.print(table)
            write_stdout(drawn.get())
    return status


def shortened(name: str) -> str:
    """The end of a long name, which tells it apart from others."""
    dots = "..." if stdout_is_ascii() else "…"
    return name if len(name) <= LONGEST_NAME else dots + name[len(dots) - LONGEST_NAME :]
