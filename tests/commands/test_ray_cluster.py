"""--engine ray: the same results from several workers, from URLs too, and whatever happens to a worker."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.commands import action
from pipeline.commands.local import Results, Runner, Streams

ray = pytest.importorskip("ray", reason="no Ray here: pip install -r requirements-ray.txt")


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


@pytest.fixture
def files(tmp_path, bikes, cat) -> Path:
    shutil.copy(bikes, tmp_path / "a.mp4")
    shutil.copy(cat, tmp_path / "b.jpg")
    (tmp_path / "c.mp4").write_text("buy milk")
    return tmp_path


def found(capsys, *arguments: str) -> dict[str, dict]:
    main(["action", *arguments, "--json"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {Path(row.pop("input")).name: row for row in rows}


@pytest.mark.usefixtures("cluster")
def test_the_results_are_those_of_a_plain_run_from_files_and_from_urls(capsys, files):
    plain = found(capsys, str(files))
    assert set(plain) == {"a.mp4", "b.jpg", "c.mp4"}
    assert found(capsys, str(files), "--engine", "ray") == plain
    assert found(capsys, files.as_uri(), "--engine", "ray") == plain


class Mortal:
    """A reader whose process is killed when it has read its first input; that happens to the first one only."""

    def __init__(self, mark: str) -> None:
        self.mark, self.read = Path(mark), action.load("lstm")

    def __call__(self, streams: Streams) -> Results:
        results = list(self.read(streams))
        try:
            self.mark.touch(exist_ok=False)
        except FileExistsError:
            return results
        os.kill(os.getpid(), signal.SIGKILL)


def load_mortal(mark: str) -> Runner:
    return Mortal(mark)


@pytest.mark.usefixtures("cluster")
def test_a_worker_that_is_killed_half_way_loses_nothing(files, cat):
    from pipeline.commands.ray_cluster import run_on_ray

    paths = [str(files / "a.mp4")]
    for k in range(5):
        paths.append(str(shutil.copy(cat, files / f"{k}.jpg")))
    results = dict(run_on_ray(paths, load_mortal, {"mark": str(files / "killed")}))
    assert (files / "killed").exists()
    assert set(results) == set(paths)
    assert all(result["label"] for result in results.values())
