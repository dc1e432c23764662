"""python -m pipeline action PATH... [--cell lstm|gru|rnn] [--each] [--json] [--out FILE.jsonl] [--engine ray]"""

from __future__ import annotations

import argparse

from pipeline.analysis.confidence import NOT_SURE
from pipeline.analysis.reading import read_features
from pipeline.commands.arguments import add_engine, add_inputs, select_inputs
from pipeline.commands.local import Result, Runner, run_each
from pipeline.commands.printing import print_results
from pipeline.commands.run import run_inputs
from pipeline.media.clip import ClipStream
from pipeline.models.action import ActionModel, load_action
from pipeline.models.encoder import Encoder, load_encoder
from pipeline.models.recurrent import CELLS

TOP = 5


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("action", help="say what somebody does in each clip")
    add_inputs(parser, "a video, a photo, a folder of images, or a folder of all of these")
    add_engine(parser)
    parser.add_argument("--cell", choices=CELLS, default="lstm", help="the recurrent cell (default: %(default)s)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    paths = select_inputs(args)
    columns = {"action": False, "probability": True, "runners-up": False, "decided": True}
    return print_results(run_inputs(paths, args.engine, load, cell=args.cell), len(paths), args, columns, as_row)


def load(cell: str) -> Runner:
    encoder, model = load_encoder(), load_action(cell)
    return lambda streams: run_each(streams, lambda stream: read(stream, encoder, model))


def read(stream: ClipStream, encoder: Encoder, model: ActionModel) -> Result:
    features = encoder.encode_clip(stream)
    reading = read_features(model, features, stream.clip().duration)
    prediction = reading.prediction
    return {
        "label": prediction.label,
        "probability": round(prediction.probability, 4),
        "sure": prediction.is_confident,
        "decided": None if prediction.decided_step is None else round(reading.times[prediction.decided_step], 3),
        "top": [[label, round(p, 4)] for label, p in prediction.ranked[:TOP]],
        "steps": [
            {"time": round(step.time, 3), "label": label, "probability": round(float(step.probabilities.max()), 4)}
            for step, label in zip(reading.steps, reading.top_labels, strict=True)
        ],
    }


def as_row(found: Result) -> tuple[str, ...]:
    others = ", ".join(f"{label} {p:.2f}" for label, p in found["top"][1:3])
    said = found["label"] if found["sure"] else f"{NOT_SURE}: {found['label']}"
    decided = f"{found['decided']:.1f} s" if found["decided"] is not None and len(found["steps"]) > 1 else ""
    return said, f"{found['probability']:.2f}", others, decided
