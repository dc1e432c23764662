from __future__ import annotations

import json
import re

import pytest

from pipeline.__main__ import main
from pipeline.media.reader import read_clip
from pipeline.models.caption import Caption
from pipeline.report.figure_data import FILM, film, said
from pipeline.report.html_page import filled


def account(text: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="account">(.*?)</script>', text, re.S)[1])


def test_the_page_holds_the_whole_reading_and_asks_for_nothing(tmp_path, bikes, capsys):
    out = tmp_path / "bikes.html"
    assert main(["explain", str(bikes), "--out", str(out)]) == 0
    text = out.read_text()
    frames = len(read_clip(bikes).frames)
    parts = account(text)["parts"]
    assert sum(span for _, span in parts["timeline"]["film"]) == len(parts["verdict"]["said"]) == frames
    assert len(parts["timeline"]["film"]) <= FILM
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
def test_a_sum_is_said_marked_and_drawn(tmp_path, concert, lstm):
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
    count = 1 + len(lstm.finer["working out"])
    for _, _, answer, _ in parts["pieces"]["pieces"]:
        assert (answer["label"], answer["sure"], answer["count"]) == ("working out", True, count)


@pytest.mark.parametrize("count", [1, 2, 24, 25, 50, 64])
def test_a_film_strip_covers_every_step_with_few_pictures(count):
    strip = film([bytes([k]) for k in range(count)])
    assert len(strip) <= FILM
    assert sum(span for _, span in strip) == count
    assert len(strip) == count or count > FILM


def test_a_frame_that_is_not_read_has_no_picture_on_the_strip():
    (first, _), (second, _), (third, _) = film([b"a", None, b"b"])
    assert first != third
    assert second is None


def test_a_sentence_stands_until_the_next_frame_that_was_read():
    captions = [Caption(text, 0.0, 0.5, True, ()) for text in ("a", "b")]
    assert [text for text, _ in said(captions, [0, 3], 5)] == ["a", "a", "a", "b", "b"]


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
