from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]


def imported(path: Path) -> set[str]:
    """The modules a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_the_core_knows_nothing_of_the_app_or_the_training():
    files = list((ROOT / "pipeline").rglob("*.py"))
    assert len(files) > 5
    for path in files:
        roots = {name.split(".")[0] for name in imported(path)}
        assert not roots & {"streamlit", "views", "training", "app"}, path


def test_the_corridor_runs_one_way():
    """media -> encoder -> recurrent -> action: no room imports from one to its right."""
    rooms = ["media", "encoder", "recurrent", "action", "__main__"]
    for left, room in enumerate(rooms):
        names = imported(ROOT / "pipeline" / f"{room}.py")
        assert not names & {f"pipeline.{later}" for later in rooms[left + 1 :]}, room


def test_nothing_is_pickled():
    for path in [*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "views").rglob("*.py")]:
        assert "pickle" not in imported(path)
        source = path.read_text()
        assert source.count("torch.load(") == source.count("weights_only=True")
