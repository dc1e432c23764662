"""The benchmarks run and print their table. Speed is not tested."""

from __future__ import annotations

import json

from benchmarks.__main__ import NAMES, main
from benchmarks.results import ratio, side_by_side


def test_a_benchmark_prints_a_table_and_saves_its_results(capsys, tmp_path):
    main(["replay", "--rounds", "1", "--out", str(tmp_path / "results.json")])
    report = json.loads((tmp_path / "results.json").read_text())
    assert report["machine"]["cores"] >= 1
    table = capsys.readouterr().out
    for each in report["results"]:
        assert set(each) == {"name", "ratio", "against", "unit", "median", "min", "max"}
        assert each["min"] <= each["median"] <= each["max"]
        assert each["ratio"] > 0
        assert each["name"] in table
    assert {"photo_first_word", "whole_account"} <= {each["name"] for each in report["results"]}


def test_ways_take_turns_and_the_first_round_does_not_count():
    calls: list[str] = []
    seconds = side_by_side({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 2)
    assert [sorted(calls[k : k + 2]) for k in (0, 2, 4)] == [["a", "b"]] * 3
    assert [len(each) for each in seconds.values()] == [2, 2]
    assert ratio([3, 1, 2], [1, 1, 1]) == 2


def test_every_benchmark_can_be_imported():
    from importlib import import_module

    assert all(callable(import_module(f"benchmarks.{name}").measure) for name in NAMES)
