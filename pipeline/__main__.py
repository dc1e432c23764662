"""The command line.

    python -m pipeline action PATH... [--cell lstm|gru|rnn] [--json]
    python -m pipeline caption PATH... [--cell lstm|gru|rnn] [--beam N] [--json]

PATH is a video file, a photo, or a folder of images in name order. A PATH that cannot be read is reported in one
sentence and the others still run; the exit status is then 1.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

from pipeline.action import ActionModel, ActionStep, Verdict, load_action
from pipeline.caption import Caption, CaptionModel, Scene, load_caption
from pipeline.encoder import Encoder, load_encoder
from pipeline.media import Clip, MediaError, read_clip
from pipeline.recurrent import CELLS

TOP = 5
BEAM = 5

Answer = TypeVar("Answer")
Results = Iterable[tuple[str, Answer | MediaError]]  # each path with what was found, or why it cannot be read


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline", description="Read videos and photos with a CNN and a recurrent network."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    action = commands.add_parser("action", help="say what somebody does in each clip")
    caption = commands.add_parser("caption", help="describe each photo or clip in a sentence")
    for command in (action, caption):
        command.add_argument("paths", nargs="+", metavar="PATH", help="a video, a photo, or a folder of images")
        command.add_argument("--cell", choices=CELLS, default="lstm", help="the recurrent cell (default: %(default)s)")
        command.add_argument("--json", action="store_true", help="one JSON object a line, with every step")
    caption.add_argument(
        "--beam",
        type=beam_width,
        default=BEAM,
        metavar="N",
        help="sentences kept while searching (default: %(default)s)",
    )
    args = parser.parse_args(argv)
    if args.command == "action":
        actions = read_actions(args.paths, load_encoder(), load_action(args.cell))
        return print_json(actions, action_json) if args.json else print_actions(actions, len(args.paths))
    captions = read_captions(args.paths, load_encoder(), args.cell, args.beam)
    return print_json(captions, caption_json) if args.json else print_captions(captions, len(args.paths))


def beam_width(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 50:
        raise argparse.ArgumentTypeError("a beam holds 1 to 50 sentences")
    return int(text)


def print_json(results: Results[Answer], as_json: Callable[[Answer], dict[str, object]]) -> int:
    status = 0
    for path, outcome in results:
        if isinstance(outcome, MediaError):
            line, status = {"input": path, "error": str(outcome)}, 1
        else:
            line = {"input": path, **as_json(outcome)}
        print(json.dumps(line, ensure_ascii=False), flush=True)
    return status


# ── action ───────────────────────────────────────────────────────────────────────────────────────────────────────

Action = tuple[list[ActionStep], Verdict, list[str]]  # the steps, the verdict, the labels' names


def read_actions(paths: list[str], encoder: Encoder, model: ActionModel) -> Results[Action]:
    for path in paths:
        try:
            clip = read_clip(Path(path))
        except MediaError as error:
            yield path, error
            continue
        steps = list(model.read(encoder.encode_frames(clip.frames)))
        yield path, (steps, model.verdict(steps), model.labels)


def action_json(found: Action) -> dict[str, object]:
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


def print_actions(results: Results[Action], count: int) -> int:
    def row(found: Action) -> tuple[str, ...]:
        steps, verdict, _ = found
        others = ", ".join(f"{label} {p:.2f}" for label, p in verdict.ranked[1:3])
        said = verdict.label if verdict.sure else f"not sure: {verdict.label}"
        decided = f"{steps[verdict.decided_at].time:.1f} s" if len(steps) > 1 else ""
        return said, f"{verdict.probability:.2f}", others, decided

    return print_table(results, count, ("action", "probability", "runners-up", "decided"), row)


# ── caption ──────────────────────────────────────────────────────────────────────────────────────────────────────


def read_captions(paths: list[str], encoder: Encoder, cell: str, width: int) -> Results[tuple[Caption, list[str]]]:
    """The best caption with its account, and the other sentences that the beam kept."""
    captioner = cache(partial(load_caption, cell=cell))  # a run of photos needs no clip captioner
    for path in paths:
        try:
            clip = read_clip(Path(path))
        except MediaError as error:
            yield path, error
            continue
        model = captioner("photo" if clip.kind == "photo" else "clip")
        scene = look(clip, encoder, model)
        best, *others = model.search(scene, width)[0]
        yield path, (model.explain(scene, [best])[0], [model.text(other) for other in others])


def look(clip: Clip, encoder: Encoder, model: CaptionModel) -> Scene:
    """What a captioner sees: the regions of a photo, or the frames of a clip."""
    seen = encoder.encode([frame.image for frame in clip.frames])
    return model.look(seen.maps if clip.kind == "photo" else seen.features[None])


def caption_json(found: tuple[Caption, list[str]]) -> dict[str, object]:
    caption, others = found
    return {
        "caption": caption.text,
        "score": round(caption.score, 4),
        "sure": caption.sure,
        "words": [{"word": step.word, "probability": round(step.probability, 4)} for step in caption.steps[:-1]],
        "alternatives": others,
    }


def print_captions(results: Results[tuple[Caption, list[str]]], count: int) -> int:
    def row(found: tuple[Caption, list[str]]) -> tuple[str, ...]:
        caption, others = found
        said = caption.text if caption.sure else f"a guess: {caption.text}"
        return said, f"{caption.confidence:.2f}", others[0] if others else ""

    return print_table(results, count, ("caption", "confidence", "or"), row)


# ── tables for people ────────────────────────────────────────────────────────────────────────────────────────────


def print_table(
    results: Results[Answer], count: int, columns: tuple[str, ...], row: Callable[[Answer], tuple[str, ...]]
) -> int:
    from rich.console import Console
    from rich.progress import track
    from rich.table import Table
    from rich.text import Text

    console, errors, status = Console(), Console(stderr=True), 0
    table = Table(box=None, pad_edge=False)
    table.add_column("input", overflow="fold", ratio=2)
    for name in columns:
        narrow = name in ("probability", "confidence", "decided")
        table.add_column(name, justify="right" if narrow else "left", no_wrap=narrow, ratio=None if narrow else 3)
    for path, outcome in track(results, "Reading", count, console=errors, transient=True, disable=count == 1):
        if isinstance(outcome, MediaError):
            errors.print(Text(str(outcome), "red"))
            status = 1
        else:
            table.add_row(*map(Text, (path, *row(outcome))))
    if table.row_count:
        console.print(table)
    return status


if __name__ == "__main__":
    sys.exit(main())
