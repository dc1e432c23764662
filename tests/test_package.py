"""The wheel: the library and the command line, weights included, without the checkout."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*build, "--wheel-dir", folder, ROOT], check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The folder with the commands of a fresh environment; its dependencies are those of this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    (library,) = folder.glob("lib/python*/site-packages")
    (library / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", "--ignore-installed", wheel], check=True)
    return folder / "bin"


def test_the_wheel_holds_the_library_with_its_weights_and_nothing_of_the_app(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} - {"pipeline"} == {f"unroll-{version(wheel)}.dist-info"}
    for name in ("weights/encoder.safetensors", "report/page.html", "report/clip_figure.js", "py.typed"):
        assert f"pipeline/{name}" in names


def version(wheel: Path) -> str:
    return wheel.name.split("-")[1]


def test_the_installed_command_reads_a_sample_as_the_checkout_does(installed, bikes, tmp_path):
    command = ["action", str(bikes), "--json"]
    here = subprocess.run([sys.executable, "-m", "pipeline", *command], cwd=ROOT, capture_output=True, check=True)
    there = subprocess.run([installed / "unroll", *command], cwd=tmp_path, capture_output=True, check=True)
    assert json.loads(there.stdout) == json.loads(here.stdout)


def test_the_installed_library_lies_outside_the_checkout(installed, tmp_path):
    code = "import pipeline.models as m; print(m.__file__, *m.available())"
    run = subprocess.run([installed / "python", "-c", code], cwd=tmp_path, capture_output=True, check=True, text=True)
    path, *names = run.stdout.split()
    assert not Path(path).is_relative_to(ROOT)
    assert {"encoder", "action-lstm", "caption-photo-gru", "digits-lenet5"} <= set(names)
