"""The command doctor: everything works here, and what does not is named."""

from __future__ import annotations

import json
import shutil

from pipeline.__main__ import main
from pipeline.commands import doctor
from pipeline.models.checkpoint import WEIGHTS
from pipeline.sandbox import ffmpeg_versions


def report(capsys) -> tuple[int, dict]:
    status = main(["doctor", "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_everything_works_here(capsys):
    status, found = report(capsys)
    assert (status, found["ok"]) == (0, True)
    assert {"python", "packages", "processor", "engine", "sandbox", "ffmpeg", "weights", "sample"} < set(found)
    assert found["packages"]["versions"]["numpy"]
    assert found["sample"]["frames"] > 20


def test_what_does_not_work_is_named_and_the_rest_still_checked(capsys, monkeypatch, tmp_path):
    for name in ("digits-lenet5", "language-words-lstm"):
        for suffix in (".json", ".safetensors"):
            shutil.copy((WEIGHTS / name).with_suffix(suffix), tmp_path)
    with (tmp_path / "digits-lenet5.safetensors").open("ab") as file:
        file.write(b"x")
    monkeypatch.setattr(doctor, "WEIGHTS", tmp_path)
    monkeypatch.setattr(doctor, "required_packages", lambda: ["numpy", "no-such-package"])
    monkeypatch.setitem(ffmpeg_versions.OLDEST, "avcodec", (9999, 0, 0))
    monkeypatch.delitem(doctor.CHECKS, "sample")

    def sandbox() -> doctor.Check:
        raise OSError("it ended at once")

    monkeypatch.setitem(doctor.CHECKS, "sandbox", sandbox)
    assert main(["doctor"]) == 1
    lines = capsys.readouterr().out
    status, found = report(capsys)
    assert (status, found["ok"]) == (1, False)
    assert {name for name, check in found.items() if name != "ok" and not check["ok"]} == {
        "packages", "sandbox", "ffmpeg", "weights",
    }  # fmt: skip
    assert "digits-lenet5" in found["weights"]["found"]
    assert "no-such-package" in lines
    assert "too old" in found["ffmpeg"]["found"]


def test_the_packages_are_those_of_requirements_txt():
    assert {"streamlit", "torch", "opencv-python-headless", "landlockpy"} < set(doctor.required_packages())
