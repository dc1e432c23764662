"""python -m pipeline doctor [--json]: whether the app and the commands work on this machine, for reports of errors."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import NamedTuple

from pipeline.commands.output import stdout_is_ascii, write_stdout
from pipeline.limits import DECODER
from pipeline.models.checkpoint import WEIGHTS, CheckpointError, load_checkpoint

REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements.txt"  # of a checkout
OLDEST_PYTHON = (3, 11)


class Check(NamedTuple):
    """One line of the report."""

    name: str
    found: str
    ok: bool = True
    details: dict[str, object] = {}  # noqa: RUF012 (a NamedTuple has no other defaults; nobody changes it)


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("doctor", help="say whether everything works on this machine, and what does not")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    checks = [attempted(name, check) for name, check in CHECKS.items()]
    ok = all(check.ok for check in checks)
    if args.json:
        found = {check.name: {"ok": check.ok, "found": check.found, **check.details} for check in checks}
        write_stdout(json.dumps({"ok": ok, **found}, ensure_ascii=stdout_is_ascii()) + "\n")
    else:
        print_checks(checks, ok)
    return 0 if ok else 1


def print_checks(checks: Iterable[Check], ok: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    for check in checks:
        mark = Text("ok", "green") if check.ok else Text("no", "bold red")
        table.add_row(mark, Text(check.name), Text(check.found))
    console = Console()
    with console.capture() as drawn:
        console.print(table)
        console.print("Everything works." if ok else "What is marked with no keeps the app from working.")
    write_stdout(drawn.get())


def attempted(name: str, check: Callable[[], Check]) -> Check:
    """The check, or the error that it ended with."""
    try:
        return check()
    except Exception as error:  # whatever is wrong with this machine shall be in the report
        return Check(name, f"{type(error).__name__}: {error}".splitlines()[0], False)


def python() -> Check:
    found = f"{platform.python_version()} on {platform.system()} {platform.release()}, {platform.machine()}"
    return Check("python", found, sys.version_info >= OLDEST_PYTHON)


def packages() -> Check:
    """The packages that the project asks for, with their versions; ok if all are there."""
    found = {name: version_of(name) for name in required_packages()}
    missing = [name for name, version in found.items() if version is None]
    text = f"{', '.join(missing)} missing" if missing else ", ".join(f"{name} {found[name]}" for name in found)
    return Check("packages", text, not missing, {"versions": found})


def required_packages() -> list[str]:
    """From requirements.txt, or from the installed package; those for this system."""
    try:
        lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = [line for line in requires("unroll") or [] if "extra ==" not in line]
    ours = [line for line in lines if line and line[0].isalpha()]
    return [name_of(line) for line in ours if "sys_platform" not in line or f'"{sys.platform}"' in line]


def name_of(requirement: str) -> str:
    return requirement[: next((k for k, c in enumerate(requirement) if not (c.isalnum() or c in "-_.")), None)]


def version_of(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def processor() -> Check:
    from pipeline.models.engines import has_amx, supports_bf16

    bf16, amx = supports_bf16(), has_amx()
    found = f"{os.cpu_count()} cores, {'bfloat16' if bf16 else 'no bfloat16'}{', AMX' if amx else ''}"
    return Check("processor", found, True, {"cores": os.cpu_count(), "bfloat16": bf16, "amx": amx})


def engine() -> Check:
    from pipeline.models.engines import best_engine

    return Check("engine", best_engine())


def sandbox() -> Check:
    """What locks the processes that decode. Guards that are missing are named; without them the app works all the same,
    unless UNROLL_REQUIRE_SANDBOX=1 asks for them."""
    from pipeline.media.decoders import missing_guards

    missing = missing_guards()
    strength = f"incomplete: {'; '.join(missing)}" if missing else "Landlock and seccomp"
    return Check("sandbox", f"{DECODER}, {strength}", True, {"decoder": DECODER, "missing": missing})


def ffmpeg() -> Check:
    """Both copies of FFmpeg against the oldest versions without a known hole."""
    from pipeline.sandbox.ffmpeg_versions import OLDEST, of_opencv, of_pyav

    found = {"OpenCV": {library: of_opencv(library) for library in OLDEST}}
    found |= {"PyAV": {library: of_pyav(library) for library in OLDEST}}
    old = [f"{lib} of {owner}" for owner, has in found.items() for lib in OLDEST if (has[lib] or ()) < OLDEST[lib]]
    codecs = ", ".join(f"{owner} {'.'.join(map(str, has['avcodec'] or '?'))}" for owner, has in found.items())
    verdict = f"too old: {', '.join(old)}" if old else f"oldest safe {'.'.join(map(str, OLDEST['avcodec']))}"
    return Check("ffmpeg", f"avcodec {codecs}; {verdict}", not old, {"versions": found, "too_old": old})


def weights() -> Check:
    """Every checkpoint that has a card, against the hash in the card."""
    names = sorted(path.stem for path in WEIGHTS.glob("*.json"))
    problems = []
    for name in names:
        try:
            load_checkpoint(WEIGHTS / name)
        except CheckpointError as error:
            problems.append(str(error))
    if not names:
        problems.append(f"There are none in {WEIGHTS}.")
    found = " ".join(problems) or f"{len(names)} checkpoints, as their cards say"
    return Check("weights", found, not problems, {"checkpoints": names})


def sample() -> Check:
    """A sample clip, decoded and read."""
    from pipeline.analysis.reading import read_features
    from pipeline.media import read_clip
    from pipeline.media.samples import BUNNY, source_path
    from pipeline.models.action import load_action
    from pipeline.models.encoder import load_encoder

    encoder, model = load_encoder(), load_action("lstm")
    path, started = source_path(BUNNY), time.perf_counter()
    clip = read_clip(path)
    reading = read_features(model, encoder.encode_clip(clip), clip.duration)
    seconds = time.perf_counter() - started
    found = f"{path.name}: {len(clip.frames)} frames, {reading.prediction.label!r}, in {seconds:.1f} s"
    return Check("sample", found, True, {"frames": len(clip.frames), "label": reading.prediction.label})


CHECKS = {check.__name__: check for check in (python, packages, processor, engine, sandbox, ffmpeg, weights, sample)}
