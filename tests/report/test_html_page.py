from __future__ import annotations

import json
import re

import pytest

from pipeline.__main__ import main
from pipeline.media.reader import read_clip
from pipeline.report.html_page import filled


def account(text: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="account">(.*?)</script>', text, re.S)[1])


def test_the_page_holds_the_whole_reading_and_asks_for_nothing(tmp_path, bikes, capsys):
    out = tmp_path / "bikes.html"
    assert main(["explain", str(bikes), "--out", str(out)]) == 0
    text = out.read_text()
    frames = len(read_clip(bikes).frames)
    parts = account(text)["parts"]
    assert len(parts["timeline"]["pictures"]) == len(parts["verdict"]["said"]) == frames
    assert "://" not in text.replace("http://www.w3.org/2000/svg", "")
    main(["action", str(bikes), "--json"])
    found = json.loads(capsys.readouterr().out)
    answer = parts["verdict"]["answers"][-1]
    assert all(answer[key] == found[key] for key in ("label", "probability", "sure"))
    assert answer["count"] == len(answer["parts"]) == 0
    assert [top[:2] for top in parts["verdict"]["tops"][-1]] == found["top"]
    decided = parts["verdict"]["decided"]
    assert found["decided"] == (None if decided is None else found["steps"][decided]["time"])
    assert (found["decided"] is None) == (not found["sure"])


def test_a_long_clip_comes_in_pieces(tmp_path, concert):
    out = tmp_path / "concert.html"
    assert main(["explain", str(concert), "--out", str(out)]) == 0
    found = account(out.read_text())["parts"]["pieces"]["pieces"]
    assert found[0][0] == 0.0
    assert found[-1][1] == pytest.approx(read_clip(concert).duration, abs=0.01)


@pytest.mark.usefixtures("hesitating")
def test_a_sum_is_said_marked_and_drawn(tmp_path, concert):
    out = tmp_path / "gym.html"
    assert main(["explain", str(concert), "--out", str(out)]) == 0
    parts = account(out.read_text())["parts"]
    verdict, timeline = parts["verdict"], parts["timeline"]
    for answer, top in zip(verdict["answers"], verdict["tops"], strict=True):
        assert (answer["label"], answer["sure"]) == ("working out", True)
        assert answer["parts"] == [["doing squats", 0.33], ["doing lunges", 0.3]]
        assert [(name, is_part) for name, _, _, is_part in top[:3]] == [
            ("doing squats", True),
            ("doing lunges", True),
            ("dancing", False),
        ]
    k = timeline["names"].index("working out")
    assert verdict["coloured"] == timeline["names"]
    assert timeline["sums"] == [name == "working out" for name in timeline["names"]]
    assert timeline["values"][k] == [answer["probability"] for answer in verdict["answers"]]
    assert set(timeline["leaders"]) == set(timeline["answers"]) == {"working out"}
    assert timeline["changes"] == []
    assert verdict["decided"] == 0
    assert not any(parts["letters"]["sure"])
    for _, _, answer, _ in parts["pieces"]["pieces"]:
        assert (answer["label"], answer["sure"], answer["count"]) == ("working out", True, 10)


def test_a_file_name_is_never_html():
    text = filled("<script>alert(1)</script>.mp4", "", {"shared": {}, "parts": {"x": "</script>"}})
    assert "<script>alert" not in text
    assert account(text)["parts"]["x"] == "</script>"


@pytest.mark.parametrize(("out", "status"), [("page.html", 1), ("absent/page.html", 2)])
def test_what_cannot_be_read_or_written_is_a_sentence(tmp_path, capsys, bikes, out, status):
    path = tmp_path / "absent.mp4" if out == "page.html" else bikes
    assert main(["explain", str(path), "--out", str(tmp_path / out)]) == status
    told = capsys.readouterr()
    assert len(told.err.strip().splitlines()) == 1
    assert "Traceback" not in told.err
