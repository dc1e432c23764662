"""The command line.

    python -m pipeline action PATH... [--cell lstm|gru|rnn] [--json]

PATH is a video file, a photo, or a folder of images in name order. A PATH that cannot be read is reported in one
sentence and the others still run; the exit status is then 1.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from pipeline.action import ActionModel, ActionStep, Verdict, load_action
from pipeline.encoder import Encoder, load_encoder
from pipeline.media import MediaError, read_clip
from pipeline.recurrent import CELLS

TOP = 5


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline", description="Read videos and photos with a CNN and a recurrent network."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    action = commands.add_parser("action", help="say what somebody does in each clip")
    action.add_argument("paths", nargs="+", metavar="PATH", help="a video, a photo, or a folder of images")
    action.add_argument("--cell", choices=CELLS, default="lstm", help="the recurrent cell (default: %(default)s)")
    action.add_argument("--json", action="store_true", help="one JSON object a line, with every step")
    args = parser.parse_args(argv)
    results = read_actions(args.paths, load_encoder(), load_action(args.cell))
    return print_json(results) if args.json else print_table(results, len(args.paths))


Result = tuple[str, tuple[list[ActionStep], Verdict, list[str]] | MediaError]


def read_actions(paths: list[str], encoder: Encoder, model: ActionModel) -> Iterator[Result]:
    """(path, its steps, verdict and the labels' names) for each path, or the MediaError in their place."""
    for path in paths:
        try:
            clip = read_clip(Path(path))
        except MediaError as error:
            yield path, error
            continue
        steps = list(model.read(encoder.encode_frames(clip.frames)))
        yield path, (steps, model.verdict(steps), model.labels)


def print_json(results: Iterator[Result]) -> int:
    status = 0
    for path, outcome in results:
        if isinstance(outcome, MediaError):
            line, status = {"input": path, "error": str(outcome)}, 1
        else:
            line = {"input": path, **as_json(*outcome)}
        print(json.dumps(line, ensure_ascii=False), flush=True)
    return status


def as_json(steps: list[ActionStep], verdict: Verdict, labels: list[str]) -> dict[str, object]:
    best = [int(step.probabilities.argmax()) for step in steps]
    return {
        "label": verdict.label,
        "probability": round(verdict.probability, 4),
        "sure": verdict.sure,
        "top": [[label, round(p, 4)] for label, p in verdict.ranked[:TOP]],
        "steps": [
            {"time": round(s.time, 3), "label": labels[k], "probability": round(float(s.probabilities[k]), 4)}
            for s, k in zip(steps, best, strict=True)
        ],
    }


def print_table(results: Iterator[Result], count: int) -> int:
    from rich.console import Console
    from rich.progress import track
    from rich.table import Table
    from rich.text import Text

    console, status = Console(), 0
    table = Table(box=None, pad_edge=False)
    table.add_column("input", overflow="fold", ratio=2)
    table.add_column("action", ratio=2)
    table.add_column("probability", justify="right", no_wrap=True)
    table.add_column("runners-up", ratio=3)
    table.add_column("decided", justify="right", no_wrap=True)
    errors = Console(stderr=True)
    for path, outcome in track(results, "Reading", count, console=errors, transient=True, disable=count == 1):
        if isinstance(outcome, MediaError):
            errors.print(Text(str(outcome), "red"))
            status = 1
            continue
        steps, verdict, _ = outcome
        others = ", ".join(f"{label} {p:.2f}" for label, p in verdict.ranked[1:3])
        said = verdict.label if verdict.sure else f"not sure: {verdict.label}"
        decided = f"{steps[verdict.decided_at].time:.1f} s" if len(steps) > 1 else ""
        table.add_row(*map(Text, (path, said, f"{verdict.probability:.2f}", others, decided)))
    if table.row_count:
        console.print(table)
    return status


if __name__ == "__main__":
    sys.exit(main())
