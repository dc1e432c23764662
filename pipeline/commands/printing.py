"""Results as they come: a JSON object a line for programs, a table for people, errors in a sentence."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable

from pipeline.commands.arguments import report_left_out
from pipeline.commands.local import Result, Results
from pipeline.commands.output import Write, appending, stdout_is_ascii, write_stdout
from pipeline.sandbox.messages import MediaError, printable

AsRow = Callable[[Result], tuple[str, ...]]

LONGEST_NAME = 28  # characters of an input in a table: its end tells it apart from others, and answers need the room


def print_results(
    run_inputs: Results, count: int, args: argparse.Namespace, columns: dict[str, bool], as_row: AsRow
) -> int:
    """As the arguments want it; -> the exit status. For ``columns`` and ``as_row`` see print_table()."""
    if args.out:
        with appending(args.out) as write:
            return print_json(reported(tracked(run_inputs, count)), write)
    if args.json:
        return print_json(run_inputs)
    return print_table(reported(run_inputs), count, columns, as_row)


def print_json(run_inputs: Results, write: Write | None = None) -> int:
    """One object a line, to standard output or by ``write``; -> the exit status."""
    status, ascii_only = 0, write is None and stdout_is_ascii()
    for name, outcome in run_inputs:
        if isinstance(outcome, MediaError):
            line, status = {"input": name, "error": str(outcome)}, 1
        else:
            line = {"input": name, **outcome}
        # A name that is no text holds lone surrogates. JSON has an escape for them, and readers get the same name back.
        text = json.dumps(line, ensure_ascii=ascii_only).encode(errors="backslashreplace").decode()
        (write or write_stdout)(text + "\n")
    return status


def reported(run_inputs: Results) -> Results:
    """The same; what was left out of a folder is named on standard error."""
    for name, outcome in run_inputs:
        if not isinstance(outcome, MediaError):
            report_left_out(outcome.get("left_out", ()), name)
        yield name, outcome


def tracked(run_inputs: Results, count: int) -> Results:
    """The same, with a progress bar on stderr if there are several."""
    from rich.console import Console
    from rich.progress import track

    return track(run_inputs, "Reading", count, console=Console(stderr=True), transient=True, disable=count <= 1)


def print_table(run_inputs: Results, count: int, columns: dict[str, bool], as_row: AsRow) -> int:
    """-> the exit status. ``columns`` says of each whether it is narrow (a number); the input comes before them. If the
    work is interrupted, the table shows what was finished."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console, errors, status = Console(), Console(stderr=True), 0
    table = Table(box=None, pad_edge=False)
    table.add_column("input", no_wrap=True)
    for name, narrow in columns.items():
        table.add_column(name, justify="right" if narrow else "left", no_wrap=narrow, ratio=None if narrow else 3)
    try:
        for name, outcome in tracked(run_inputs, count):
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
