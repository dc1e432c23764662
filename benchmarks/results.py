"""What a benchmark finds, how two ways are timed fairly, and the table of it all."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random


@dataclass(frozen=True)
class Result:
    """A figure, its spread over the rounds, and its ratio: larger is better, unless ``against`` says otherwise."""

    name: str
    ratio: float
    against: str  # what the ratio compares with
    unit: str
    median: float
    min: float
    max: float


def result(name: str, values: Sequence[float], unit: str, ratio: float, against: str) -> Result:
    return Result(name, round(ratio, 3), against, unit, *(round(f(values), 4) for f in (statistics.median, min, max)))


def side_by_side(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """The seconds that each way takes, in every round. They take turns, so that a machine whose speed drifts slows all
    of them alike, in another order each time, since some leave threads behind that spin for a while; a first turn, not
    counted, warms them up."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    order, random = list(ways.items()), Random(0)
    for turn in range(rounds + 1):
        for name, run in order:
            started = time.perf_counter()
            run()
            if turn:
                seconds[name].append(time.perf_counter() - started)
        random.shuffle(order)
    return seconds


def ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    """How many times as long, by the medians."""
    return statistics.median(slow) / statistics.median(fast)


def machine() -> dict[str, object]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


def table(results: Iterable[Result]) -> str:
    lines = [f"{'':36} {'ratio':>7}  {'against':44} {'median':>10} {'min':>10} {'max':>10}"]
    for r in results:
        spread = " ".join(f"{value:10.4g}" for value in (r.median, r.min, r.max))
        lines.append(f"{r.name:36} {r.ratio:7.2f}  {r.against:44} {spread} {r.unit}")
    return "\n".join(lines)
