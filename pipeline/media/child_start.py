"""How the processes are started that decode: with all packages of this process and none of its secrets."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from pipeline.sandbox.child import READY

ROOT = Path(__file__).resolve().parents[2]
# No child needs more. The second line is what Windows and its Python need.
INHERITED_ENV = ("PATH", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV") + (
    ("SYSTEMROOT", "TEMP", "TMP", "PATHEXT") if os.name == "nt" else ()
)


def start_options(module: str, *arguments: str) -> dict[str, Any]:
    """Arguments of subprocess.Popen that run a module of ours as a process."""
    inherited = {name: os.environ[name] for name in INHERITED_ENV if name in os.environ}
    inherited |= {name: value for name, value in os.environ.items() if name.startswith("UNROLL_")}
    # Packages are where this process finds them: PYTHONPATH, a user's own folder, whatever added to sys.path.
    inherited["PYTHONPATH"] = os.pathsep.join(os.path.abspath(folder) for folder in sys.path)
    return {
        "args": [sys.executable, "-m", module, *arguments],
        "cwd": ROOT,
        "env": {**inherited, "OPENBLAS_NUM_THREADS": "1"},
    }


def start_problem(words: bytes) -> str | None:
    """Why a process could not start, from its first words (see child.first_words); None if it could."""
    if words.startswith(READY):
        return None
    return " ".join(words.decode(errors="replace").split()) or "it ended at once"


def missing_guards(words: bytes) -> list[str]:
    """The guards that a process lacks, from its first words. Raises OSError if it could not start."""
    if (problem := start_problem(words)) is not None:
        raise OSError(problem)
    return json.loads(words.removeprefix(READY))
