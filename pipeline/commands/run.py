"""Runs a command locally or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipeline.commands.local import Results, Runner, open_streams


def run_inputs(paths: list[str], engine: str, load: Callable[..., Runner], **options: Any) -> Results:  # noqa: ANN401
    """The results of a command, whose networks ``load(**options)`` loads, run by this engine."""
    if engine == "ray":
        from pipeline.commands.ray_cluster import run_on_ray

        return run_on_ray(paths, load, options)
    streams = open_streams(paths)  # they are decoded while the networks are loaded
    return load(**options)(streams)
