"""The command line: python -m pipeline COMMAND ...; each command has a file in pipeline/commands/.

Input that cannot be read is reported in one sentence and the rest still runs; the exit status is then 1.
"""

from __future__ import annotations

import argparse
import sys

from pipeline.commands import COMMANDS
from pipeline.commands.arguments import UsageError
from pipeline.models.checkpoint import CheckpointError


def main(argv: list[str] | None = None) -> int:
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


if __name__ == "__main__":
    sys.exit(main())
