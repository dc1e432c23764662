"""Every benchmark, or some, as one table of ratios.

    python -m benchmarks [NAME...] [--rounds 5] [--out FILE.json]

Times drift with the machine; ratios are taken side by side. What takes long or needs data has a command of its own:
benchmarks.load (the app under load) and benchmarks.cuts.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from benchmarks.results import machine, table

NAMES = ("end_to_end", "engines", "peers", "growth", "waiting", "batch", "playable", "replay")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(NAMES)} (default: all)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, metavar="FILE.json")
    args = parser.parse_args(argv)
    if unknown := set(args.names) - set(NAMES):
        parser.error(f"there is no benchmark called {', '.join(sorted(unknown))}")
    results = []
    for name in args.names or NAMES:
        found = list(import_module(f"benchmarks.{name}").measure(args.rounds))
        print(table(found), flush=True)
        results += found
    if args.out:
        told = {"machine": machine(), "rounds": args.rounds, "results": [asdict(each) for each in results]}
        args.out.write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
