from __future__ import annotations

import re
import tomllib
from pathlib import Path

from pipeline.limits import MAX_MEGABYTES

ROOT = Path(__file__).parents[1]


def test_streamlit_takes_uploads_as_large_as_the_library_reads():
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    assert config["server"]["maxUploadSize"] == MAX_MEGABYTES


def test_the_package_and_the_pinned_set_up_need_the_same():
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {name_of(line) for line in package["dependencies"] + package["optional-dependencies"]["app"]}
    pinned = {
        name_of(line) for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#")
    }
    assert needed == pinned


def name_of(requirement: str) -> str:
    return re.split(r"[<>=!~\[]", requirement)[0].strip()
