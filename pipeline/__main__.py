"""The command line: python -m pipeline COMMAND ...; each command has a file in pipeline/commands/.

Input that cannot be read is reported in one sentence and the rest still runs. Exit status (docs/command-line.md): 0 all
was read and written, 1 not all was, 2 the command cannot be followed, 128 + n the program was stopped by signal n.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

INTERRUPTED, CLOSED = 130, 141  # 128 + SIGINT, 128 + SIGPIPE
STOPPING = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
HAS_TIMER = hasattr(signal, "setitimer")  # not on Windows
RAISE_AGAIN = 1.0  # seconds after which an exception that a library dropped is raised again

_stopped_by: list[int] = []  # the signal that ends the program, once it has arrived


def main(argv: list[str] | None = None) -> int:
    """Run one command; -> the exit status."""
    try:
        import pipeline.limits  # noqa: F401
    except ValueError as error:  # a variable UNROLL_... that is no limit
        print(error, file=sys.stderr)
        return 2
    # Imported here: they take a second or two, in which the program can be interrupted already.
    try:
        from pipeline.commands import COMMANDS
        from pipeline.commands.arguments import UsageError
        from pipeline.commands.output import OutputError
        from pipeline.models.checkpoint import CheckpointError
    except ImportError as error:
        print(f"A package is missing or broken: {error}. Install what requirements.txt names.", file=sys.stderr)
        return 2

    parser = argparse.ArgumentParser(
        prog="python -m pipeline", description="Read videos and photos with a CNN and a recurrent network."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for add in COMMANDS:
        add(commands)
    args = parser.parse_args(argv)
    try:
        return args.run(args)
    except (CheckpointError, UsageError) as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:
        print("Stopped: nobody reads the output any more.", file=sys.stderr)
        return CLOSED
    except OutputError as error:
        print(error, file=sys.stderr)
        return 1


def program() -> NoReturn:
    """The process: one sentence however it ends, and nothing of it left."""
    fill_standard_streams()
    for number in STOPPING:
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup and shells have some signals ignored
            signal.signal(number, stop)
    status: int | str | None = None
    try:
        status = run_to_end()
    except BaseException:
        if not _stopped_by:
            raise
    ignore_signals()
    if _stopped_by:
        status = 128 + _stopped_by[0]
    if status == INTERRUPTED:
        print("Interrupted.", file=sys.stderr)
    abandon_output()
    sys.exit(status)


def run_to_end() -> int | str | None:
    """Run main() and empty its output; -> the exit status."""
    status: int | str | None = 0
    try:
        try:
            status = main()
        except SystemExit as end:  # of argparse, which may have printed help
            status = end.code
        sys.stdout.flush()
    except BrokenPipeError:
        return CLOSED
    except OSError as error:
        if not status:  # else main() has said so
            print(f"Standard output could not be written: {error.strerror or 'it is closed'}.", file=sys.stderr)
        return status or 1
    return status


def stop(number: int, frame: FrameType | None) -> NoReturn:
    """Signal handler. Raises SystemExit, so that the program ends in order and no process of ours is left.

    The exception does not always reach program(). OpenVINO calls Python from C++ while it converts a network, and makes
    a RuntimeError of it; Python drops what is raised in a finalizer. So the signal is remembered, and the exception is
    raised every second until program() ends.
    """
    if not _stopped_by:
        _stopped_by.append(number)
        ignore_signals()
        if HAS_TIMER:
            signal.signal(signal.SIGALRM, stop)
            signal.setitimer(signal.ITIMER_REAL, RAISE_AGAIN, RAISE_AGAIN)
        sys.unraisablehook = lambda dropped: None  # Python would print the exception that it drops
    raise SystemExit(128 + _stopped_by[0])


def ignore_signals() -> None:
    """From now on the program ends by itself."""
    if HAS_TIMER:
        signal.setitimer(signal.ITIMER_REAL, 0)
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)


def fill_standard_streams() -> None:
    """Give the numbers 0 to 2 to nothing else: a file opened under one of them would be written to by mistake. What
    cannot be written in the encoding of the terminal is escaped."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            # Messages vanish with standard error; a result that vanished would be a lie, so writing it fails.
            stream = open(os.devnull, "w" if name == "stderr" else "r")  # noqa: SIM115 (for as long as the process lives)
            setattr(sys, name, stream)
        else:
            stream.reconfigure(errors="backslashreplace")


def abandon_output() -> None:
    """What is still in the buffer cannot be written; the interpreter shall not try again, and complain, at its end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


if __name__ == "__main__":
    program()
