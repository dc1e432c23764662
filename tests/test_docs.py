"""The documents: their code runs, their links lead somewhere, and README.md stays short."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("*/README.md")])
EXAMPLES = [
    pytest.param(code, id=f"{name}-{number}")
    for name in ("README.md", "docs/library.md")
    for number, code in enumerate(re.findall(r"^```python\n(.*?)^```", (ROOT / name).read_text(), re.M | re.S))
]


@pytest.mark.parametrize("code", EXAMPLES)
def test_an_example_runs_as_it_stands(code, bikes, cat, tmp_path, monkeypatch, capsys):
    shutil.copy(bikes, tmp_path / "clip.mp4")
    shutil.copy(cat, tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "example", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out or (tmp_path / "reading.html").exists()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_and_every_named_file_exists(path):
    text = path.read_text()
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (path.parent / target).exists(), target
    for name in re.findall(r"`((?:pipeline|views|training|tests|benchmarks|tools|docs|weights)/[\w/.-]+\.\w+)`", text):
        assert (ROOT / name).exists(), name


def test_the_readme_can_be_read_in_two_minutes():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 90
    assert len(text.split()) <= 900
    for command in (
        "pip install -r requirements.txt && streamlit run app.py",
        "pip install -r requirements-dev.txt && pytest",
    ):
        assert text.index(command) < 1200, "both commands belong on the first screen"
