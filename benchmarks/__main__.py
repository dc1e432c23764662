"""Run all benchmarks, or some, and print one table of ratios.

    python -m benchmarks [NAME...] [--rounds 5] [--out FILE.json]

Times drift with the machine, so compared ways run side by side and their ratio is reported. Benchmarks that take long
or need the training data have their own commands: benchmarks.load, benchmarks.precision and benchmarks.cuts.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from benchmarks.results import machine, table

NAMES = ("end_to_end", "engines", "peers", "growth", "waiting", "batch", "playable", "replay", "sandbox")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    args = parser.parse_args(argv)
    if unknown := set(args.names) - set(NAMES):
        parser.error(f"there is no benchmark called {', '.join(sorted(unknown))}")
    results = []
    for name in args.names or NAMES:
        new = list(import_module(f"benchmarks.{name}").measure(args.rounds))
        print(table(new), flush=True)
        results += new
    if args.out:
        report = {"machine": machine(), "rounds": args.rounds, "results": [asdict(result) for result in results]}
        args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
