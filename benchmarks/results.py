"""Results of benchmarks: fair timing of several ways, ratios, and the printed table."""

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
    """A figure, its spread over the rounds, and a ratio. Larger is better, unless ``against`` states a maximum."""

    name: str
    ratio: float
    against: str  # the other side of the ratio
    unit: str
    median: float
    min: float
    max: float


def result(name: str, values: Sequence[float], unit: str, ratio: float, against: str) -> Result:
    return Result(name, round(ratio, 3), against, unit, *(round(f(values), 4) for f in (statistics.median, min, max)))


def side_by_side(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """The seconds of each way in every round.

    The ways take turns, so a drift of the machine's speed affects all alike. The order changes in every round, because
    some ways leave threads that stay busy for a while. A first round warms up and is not counted.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    order, random = list(ways.items()), Random(0)
    for round_number in range(rounds + 1):
        for name, run in order:
            started = time.perf_counter()
            run()
            if round_number:
                seconds[name].append(time.perf_counter() - started)
        random.shuffle(order)
    return seconds


def ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    """The ratio of the medians."""
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
