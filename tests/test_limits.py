from __future__ import annotations

import tomllib
from pathlib import Path

from pipeline.limits import MAX_MEGABYTES

ROOT = Path(__file__).parents[1]


def test_streamlit_takes_uploads_as_large_as_the_library_reads():
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    assert config["server"]["maxUploadSize"] == MAX_MEGABYTES
