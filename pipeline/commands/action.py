"""python -m pipeline action PATH... [--cell lstm|gru|rnn] [--each] [--json] [--out FILE.jsonl]"""

from __future__ import annotations

import argparse

from pipeline.action import ActionModel, ActionStep, Verdict, load_action
from pipeline.commands.printing import print_results
from pipeline.commands.reading import add_inputs, opened, read_each, wanted
from pipeline.encoder import Encoder, in_order, load_encoder
from pipeline.media import ClipStream
from pipeline.recurrent import CELLS

TOP = 5

Found = tuple[list[ActionStep], Verdict, list[str]]  # the steps, the verdict, the labels' names


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("action", help="say what somebody does in each clip")
    add_inputs(parser, "a video, a photo, a folder of images, or a folder of all of these")
    parser.add_argument("--cell", choices=CELLS, default="lstm", help="the recurrent cell (default: %(default)s)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    paths = wanted(args)
    streams = opened(paths)  # they are decoded while the networks are loaded
    encoder, model = load_encoder(), load_action(args.cell)
    results = read_each(streams, lambda stream: read(stream, encoder, model))
    columns = {"action": False, "probability": True, "runners-up": False, "decided": True}
    return print_results(results, len(paths), args, as_json, columns, as_row)


def read(stream: ClipStream, encoder: Encoder, model: ActionModel) -> Found:
    steps = list(model.read(in_order(encoder.encode_frames(stream), stream)))
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
