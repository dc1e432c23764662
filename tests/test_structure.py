"""The rooms of the project: which folder may import which, checked for every file in it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PIPELINE = ("limits", "canvas", "sandbox", "media", "models", "analysis", "teaching", "report", "commands", "__main__")
VIEWS = ("hosting", "session", "components", "pages")  # a page is a file directly under views/
SHARED_BY_COMMANDS = {"arguments", "local", "output", "printing", "ray_cluster", "run"}


def imported(path: Path) -> set[str]:
    """The names that a file imports, anywhere in it: modules, and ``module.name`` for every name."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return names


def modules(*folders: str) -> dict[str, Path]:
    """Every module in these top folders, by its dotted name."""
    found = {}
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def room(module: str, rooms: tuple[str, ...]) -> int | None:
    """The place of a module's room among ``rooms``; None for a top package itself."""
    parts = module.split(".")
    if len(parts) == 1:
        return None
    return rooms.index(parts[1]) if parts[1] in rooms else len(rooms) - 1


def test_every_file_of_the_library_lies_in_a_room():
    assert {module.split(".")[1] for module in modules("pipeline") if "." in module} == set(PIPELINE)


@pytest.mark.parametrize(("top", "rooms"), [("pipeline", PIPELINE), ("views", VIEWS)])
def test_no_room_imports_from_a_later_one(top, rooms):
    for module, path in modules(top).items():
        here = room(module, rooms)
        for name in imported(path):
            if name.startswith(f"{top}.") and here is not None:
                assert room(name, rooms) <= here, f"{module} imports {name}"


def test_there_are_no_circles():
    known = modules("pipeline", "views", "training")
    graph = {module: {name for name in imported(path) if name in known} for module, path in known.items()}
    for module, names in graph.items():  # a package and its own modules are one
        graph[module] = {name for name in names if not module.startswith(f"{name}.") and name != module}
    finished: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path, module])
        if module not in finished:
            for name in graph[module]:
                visit(name, (*path, module))
            finished.add(module)

    for module in graph:
        visit(module, ())


def test_the_sandbox_imports_nothing_else_of_ours():
    for module, path in modules("pipeline/sandbox").items():
        ours = {name for name in imported(path) if name.split(".")[0] in ("pipeline", "views", "training")}
        allowed = ("pipeline.limits", "pipeline.canvas", "pipeline.sandbox")
        assert all(name.startswith(allowed) for name in ours), (module, ours)


def test_the_library_knows_nothing_of_the_app_or_the_training():
    for module, path in modules("pipeline").items():
        roots = {name.split(".")[0] for name in imported(path)}
        assert not roots & {"streamlit", "views", "training", "app"}, module
        assert "views/" not in path.read_text(), f"{module} names a path of the app"
        assert '"views"' not in path.read_text(), f"{module} names a path of the app"


def test_no_command_imports_another():
    for module, path in modules("pipeline/commands").items():
        name = module.split(".")[-1]
        if module == "pipeline.commands":
            continue
        others = {n.split(".")[2] for n in imported(path) if n.startswith("pipeline.commands.")}
        assert others <= SHARED_BY_COMMANDS, (name, others)


def test_models_of_one_kind_know_nothing_of_the_others():
    kinds = {"action", "caption", "language", "lenet"}
    for kind in kinds:
        names = imported(ROOT / "pipeline" / "models" / f"{kind}.py")
        assert not names & {f"pipeline.models.{other}" for other in kinds - {kind}}, kind


def test_every_module_can_be_imported_on_every_system():
    """Modules that Windows lacks are imported where they are used."""
    for module, path in {**modules("pipeline", "views"), "app": ROOT / "app.py"}.items():
        for node in ast.parse(path.read_text()).body:
            names = (
                [name.name for name in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", "")]
            )
            assert not set(names) & {"resource", "fcntl", "pwd", "landlockpy"}, module
            assert "seccompy" not in names or module == "pipeline.sandbox.system_calls", module
        assert '"/tmp' not in path.read_text(), module


def test_nothing_is_pickled():
    for module, path in modules("pipeline", "views").items():
        assert "pickle" not in imported(path), module
        source = path.read_text()
        assert source.count("torch.load(") == source.count("weights_only=True"), module
