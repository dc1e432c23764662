"""The same commands on a Ray cluster: each worker loads the networks once and takes inputs as it gets done.

Local paths must lead to the same files on every machine; URLs (s3://, gs://, https:// ... whatever fsspec knows) are
fetched by the worker. A worker that dies is replaced, and what it was doing is done again.
"""

from __future__ import annotations

import json
import logging
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

MOST_BLOCKS = 1000  # that the inputs are blocks out in; more of them would only be more messages

Row = dict[str, Any]


class Worker:
    """One process of the cluster, which has loaded a command's networks."""

    def __init__(self, load: Callable[..., Runner], options: dict[str, Any]) -> None:
        self._read = load(**options)

    def __call__(self, row: Row) -> Row:
        """A row with an input's path -> the row with its result as JSON."""
        try:
            with local_copy(UPath(row["at"])) as path:
                ((_, found),) = self._read(open_streams([str(path)]))
        except Exception as error:  # fsspec's many backends raise what they like; the other inputs go on
            found = MediaError(f"{row['path']} could not be fetched: {type(error).__name__}.")
        result = {"error": str(found)} if isinstance(found, MediaError) else found
        return {**row, "result": json.dumps(result)}


@contextmanager
def local_copy(path: UPath) -> Iterator[Path]:
    """The input as a local path, for as long as it is read."""
    if path.protocol in ("", "file"):
        yield Path(path.path)
        return
    with tempfile.TemporaryDirectory(prefix="unroll-") as folder:
        local = Path(folder) / path.name
        if path.exists():
            path.fs.get(path.path, str(local), recursive=path.is_dir())
        yield local


def run_on_ray(paths: list[str], load: Callable[..., Runner], options: dict[str, Any]) -> Results:
    """The results as they get done. Uses the cluster that RAY_ADDRESS names, else this machine as a cluster."""
    if not paths:
        return
    try:
        ray.init(ignore_reinit_error=True, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except ConnectionError as error:
        raise UsageError(f"The Ray cluster could not be reached: {error}") from error
    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = [{"path": path, "at": str(UPath(path).absolute())} for path in paths]  # workers may stand elsewhere
    blocks = ray.data.from_items(rows, override_num_blocks=min(len(rows), MOST_BLOCKS))
    workers = ray.data.ActorPoolStrategy(size=min(len(rows), max(1, int(ray.cluster_resources().get("CPU", 1)))))
    worker: Any = Worker  # Ray's types know functions only
    for row in blocks.map(worker, fn_constructor_args=(load, options), compute=workers, num_cpus=1).iter_rows():
        result = json.loads(row["result"])
        yield row["path"], MediaError(result["error"]) if set(result) == {"error"} else result
