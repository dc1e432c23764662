"""The same commands on a Ray cluster: each worker loads the networks once and takes inputs as it gets done.

Local paths must lead to the same files on every machine; URLs (s3://, gs://, https:// ... whatever fsspec knows) are
fetched by the worker. A worker that dies is replaced, and what it was doing is done again.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from upath import UPath

from pipeline.commands.arguments import UsageError
from pipeline.commands.local import Results, Runner, open_streams
from pipeline.sandbox.messages import MediaError

MOST_BLOCKS = 1000  # that the inputs are dealt out in; more of them would only be more messages

Row = dict[str, str]


class Worker:
    """One process of the cluster, with a command's networks."""

    def __init__(self, load: Callable[..., Runner], options: dict[str, Any]) -> None:
        self._read = load(**options)

    def __call__(self, row: Row) -> Row:
        """An input's path -> the same with what was found, as JSON."""
        try:
            with here(UPath(row["at"])) as path:
                ((_, found),) = self._read(open_streams([str(path)]))
        except Exception as error:  # fsspec's many backends raise what they like; the other inputs go on
            found = MediaError(f"{row['path']} could not be fetched: {type(error).__name__}.")
        told = {"error": str(found)} if isinstance(found, MediaError) else found
        return {**row, "told": json.dumps(told)}


@contextmanager
def here(path: UPath) -> Iterator[Path]:
    """Where the input lies on this machine, for as long as it is read."""
    if path.protocol in ("", "file"):
        yield Path(path.path)
        return
    with tempfile.TemporaryDirectory(prefix="unroll-") as folder:
        local = Path(folder) / path.name
        if path.exists():
            path.fs.get(path.path, str(local), recursive=path.is_dir())
        yield local


def run_on_ray(paths: list[str], load: Callable[..., Runner], options: dict[str, Any]) -> Results:
    """What each input is, as they get done. A cluster is used if RAY_ADDRESS names one, else this machine is one."""
    if not paths:
        return
    try:
        ray.init(ignore_reinit_error=True, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    except ConnectionError as error:
        raise UsageError(f"The Ray cluster could not be reached: {error}") from error
    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = [{"path": path, "at": str(UPath(path).absolute())} for path in paths]  # workers may stand elsewhere
    dealt = ray.data.from_items(rows, override_num_blocks=min(len(rows), MOST_BLOCKS))
    workers = ray.data.ActorPoolStrategy(size=min(len(rows), max(1, int(ray.cluster_resources().get("CPU", 1)))))
    for row in dealt.map(Worker, fn_constructor_args=(load, options), compute=workers, num_cpus=1).iter_rows():
        told = json.loads(row["told"])
        yield row["path"], MediaError(told["error"]) if set(told) == {"error"} else told
