"""python -m pipeline teach FOLDER --out NAME.safetensors [--background] [--keep-features] [--seed N] [--json]"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from pipeline.commands.arguments import UsageError
from pipeline.commands.output import OutputError, is_input, reason, write_stdout
from pipeline.media.inputs import expand_inputs
from pipeline.models.action import load_action
from pipeline.models.encoder import load_encoder
from pipeline.sandbox.messages import MediaError, printable
from pipeline.teaching.examples import Example, TeachingError, check_room, checked_label
from pipeline.teaching.lesson import Lesson, learn, read_example
from pipeline.teaching.taught_file import TaughtFileError, load_taught, save_taught


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("teach", help="learn your own actions from a few clips of each")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="one sub-folder for each label, with its clips")
    parser.add_argument("--out", type=Path, required=True, metavar="NAME.safetensors", help="the taught recogniser")
    parser.add_argument(
        "--background",
        action="store_true",
        help="call a clip of none of the labels “something else”, by the shipped labels",
    )
    parser.add_argument(
        "--keep-features", action="store_true", help="keep the features of the clips in the file, to add clips later"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the parts that are left out (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    clips = clips_of(args.folder)
    if (problem := out_problem(args.out, [path for paths in clips.values() for path in paths])) is not None:
        raise UsageError(problem)
    examples, failed = read_all(clips)
    try:
        lesson = learn(examples, load_action(), background=args.background, seed=args.seed)
        data = save_taught(lesson.model, examples if args.keep_features else ())
    except TeachingError as error:
        raise UsageError(str(error)) from error
    try:
        args.out.write_bytes(data)
    except OSError as error:
        raise OutputError(f"{args.out} could not be written: {reason(error)}.") from error
    write_stdout((json.dumps(figures(lesson), ensure_ascii=False) if args.json else table(lesson)) + "\n")
    return 1 if failed else 0


def clips_of(folder: Path) -> dict[str, list[str]]:
    """The files of each label, the sub-folders in alphabetical order. Raises UsageError."""
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}.")
    clips = {}
    try:
        for sub in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
            files = sorted(str(path) for path in sub.iterdir() if not path.name.startswith("."))
            clips[checked_label(printable(sub.name))] = expand_inputs(files, True, Path)[0] if files else []
    except (MediaError, TeachingError) as error:
        raise UsageError(str(error)) from error
    if len(clips) < 2:
        raise UsageError(f"{folder} needs at least two sub-folders: one for each label, with its clips.")
    return clips


def out_problem(out: Path, inputs: list[str]) -> str | None:
    """Why the file must not be written; None if it may."""
    if out.suffix != ".safetensors":
        return f"{out} needs a name that ends in .safetensors."
    if out.is_dir() or not out.parent.is_dir():
        return f"{out} could not be written: {'it is a folder' if out.is_dir() else 'there is no such folder'}."
    if out.exists() and out.stat().st_size:
        try:
            load_taught(out, load_action())
        except TaughtFileError:
            return f"{out} exists, and this command did not make it; nothing was written to it."
    return is_input(out, inputs)


def read_all(clips: dict[str, list[str]]) -> tuple[list[Example], int]:
    """The examples, and how many files could not be read; each of these is a sentence on standard error."""
    encoder, shipped = load_encoder(), load_action()
    examples: list[Example] = []
    failed = 0
    for label, paths in clips.items():
        for path in paths:
            try:
                check_room(examples, label)
                examples.append(read_example(label, Path(path), encoder, shipped))
            except (MediaError, TeachingError) as error:
                print(error, file=sys.stderr)
                failed += 1
    return examples, failed


def figures(lesson: Lesson) -> dict[str, object]:
    """What was learned and how good it is, for JSON."""
    card, judged = lesson.model.card, lesson.judgement
    found: dict[str, object] = {"labels": card["labels"], "clips": card["clips"], "threshold": card["threshold"]}
    if judged is None:
        return {**found, "accuracy": None}
    low, high = judged.interval
    return {
        **found,
        "accuracy": round(judged.accuracy, 4),
        "interval": [round(low, 4), round(high, 4)],
        "left_out": len(judged.truth),
        "folds": judged.folds,
        "confusion": judged.confusion.tolist(),
        "needs_more": judged.needs_more,
    }


def table(lesson: Lesson) -> str:
    """The cross-validated table in words."""
    card, judged = lesson.model.card, lesson.judgement
    if judged is None:
        return "Learned. With one clip for a label it cannot judge itself: give each label two clips or more."
    width = max(map(len, judged.labels))
    low, high = judged.interval
    lines = [
        f"{label:{width}}  {right} of {sum(row)} left-out clips right"
        for label, row, right in zip(judged.labels, judged.confusion, judged.confusion.diagonal(), strict=True)
    ]
    lines.append(
        f"{'together':{width}}  {judged.right} of {len(judged.truth)}: {judged.accuracy:.0%}, between {low:.0%} and "
        f"{high:.0%} with 95 % confidence. Below {card['threshold']:.2f} it says “not sure”."
    )
    if judged.needs_more:
        lines.append("More clips would help most for: " + ", ".join(judged.needs_more) + ".")
    return "\n".join(lines)
