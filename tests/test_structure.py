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
    """media -> encoder -> recurrent -> what is said -> commands: no room imports from one to its right."""
    rooms = [
        "checkpoint",
        "vocabulary",
        "canvas",
        "clip",
        "limits",
        "photos",
        "videos",
        "keyframes",
        "playable",
        "footage",
        "nursery",
        "sandbox",
        "media",
        "inputs",
        "motion",
        "efficientnet_lite",
        "encoder",
        "recurrent",
        "decoding",
    ]
    rooms += ["moments", "action", "caption", "language", "digits", "whatif", "inside", "subtitles"]
    rooms += ["untrimmed", "account"]
    rooms += ["commands", "__main__"]
    assert {path.stem for path in (ROOT / "pipeline").glob("*.py")} - {"__init__", "samples"} == set(rooms) - {
        "commands"
    }
    for left, room in enumerate(rooms):
        path = ROOT / "pipeline" / f"{room}.py"
        for file in [path] if path.exists() else path.with_suffix("").glob("*.py"):
            roots = {".".join(name.split(".")[:2]) for name in imported(file)}
            assert not roots & {f"pipeline.{later}" for later in rooms[left + 1 :]}, file


def test_what_is_said_one_way_knows_nothing_of_the_other_ways():
    said = {"action", "caption", "language", "digits"}
    for room in said:
        names = imported(ROOT / "pipeline" / f"{room}.py")
        assert not names & {f"pipeline.{other}" for other in said - {room}}, room


def test_nothing_is_pickled():
    for path in [*(ROOT / "pipeline").rglob("*.py"), *(ROOT / "views").rglob("*.py")]:
        assert "pickle" not in imported(path)
        source = path.read_text()
        assert source.count("torch.load(") == source.count("weights_only=True")
