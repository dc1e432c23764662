"""python -m pipeline action PATH... [--cell lstm|gru|rnn] [--json]"""

from __future__ import annotations

import argparse

from pipeline.action import ActionModel, ActionStep, Verdict, load_action
from pipeline.commands.printing import print_json, print_table, read_each
from pipeline.encoder import Encoder, load_encoder
from pipeline.media import Clip
from pipeline.recurrent import CELLS

TOP = 5

Found = tuple[list[ActionStep], Verdict, list[str]]  # the steps, the verdict, the labels' names


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("action", help="say what somebody does in each clip")
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a video, a photo, or a folder of images")
    parser.add_argument("--cell", choices=CELLS, default="lstm", help="the recurrent cell (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, with every step")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    encoder, model = load_encoder(), load_action(args.cell)
    results = read_each(args.paths, lambda clip: read(clip, encoder, model))
    if args.json:
        return print_json(results, as_json)
    columns = {"action": False, "probability": True, "runners-up": False, "decided": True}
    return print_table(results, len(args.paths), columns, as_row)


def read(clip: Clip, encoder: Encoder, model: ActionModel) -> Found:
    steps = list(model.read(encoder.encode_frames(clip.frames)))
    return steps, model.verdict(steps), model.labels


def as_json(found: Found) -> dict[str, object]:
    steps, verdict, labels = found
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


def as_row(found: Found) -> tuple[str, ...]:
    steps, verdict, _ = found
    others = ", ".join(f"{label} {p:.2f}" for label, p in verdict.ranked[1:3])
    said = verdict.label if verdict.sure else f"not sure: {verdict.label}"
    decided = f"{steps[verdict.decided_at].time:.1f} s" if len(steps) > 1 else ""
    return said, f"{verdict.probability:.2f}", others, decided
