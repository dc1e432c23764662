from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from pipeline.__main__ import main
from pipeline.commands import arguments
from pipeline.commands.action import as_row
from pipeline.media.reader import read_clip
from pipeline.models import encoder
from pipeline.models.action import load_action
from pipeline.models.checkpoint import WEIGHTS, change_card, load_card

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path, bikes):
    """Frames of a real clip as a folder of images."""
    (tmp_path / "frames").mkdir()
    for frame in read_clip(bikes).frames[:6]:
        Image.fromarray(frame.image).save(tmp_path / "frames" / f"{frame.index:03}.jpg")
    return tmp_path / "frames"


def lines(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_json_has_a_line_for_every_path_and_errors_stop_nothing(capsys, tmp_path, bikes, cat, folder):
    (tmp_path / "notes.mp4").write_text("buy milk")
    paths = [str(p) for p in (bikes, tmp_path / "notes.mp4", cat, folder)]
    assert main(["action", *paths, "--json"]) == 1
    clip, bad, photo, frames = lines(capsys)
    assert [line["input"] for line in (clip, bad, photo, frames)] == paths
    assert set(bad) == {"input", "error"}
    assert "notes.mp4" in bad["error"]
    for line, steps in ((clip, len(read_clip(bikes).frames)), (photo, 1), (frames, 6)):
        assert {"input", "label", "probability", "top", "steps"} <= set(line)
        assert len(line["steps"]) == steps
        assert len(line["top"]) == 5
        assert line["broader"] is None
        assert line["top"][0] == [line["label"], line["probability"]]
        assert line["steps"][-1]["label"] == line["label"]
        assert line["steps"][-1]["probability"] == line["probability"]
        assert [step["time"] for step in line["steps"]] == sorted(step["time"] for step in line["steps"])


def test_the_cell_can_be_chosen(capsys, bikes):
    answers = []
    for name in ("lstm", "rnn"):
        assert main(["action", str(bikes), "--cell", name, "--json"]) == 0
        answers.append(lines(capsys)[0]["top"])
    assert answers[0] != answers[1]


@pytest.mark.usefixtures("hesitating")
def test_a_sum_is_the_answer_and_tells_its_parts(capsys, cat):
    assert main(["action", str(cat), "--json"]) == 0
    (line,) = lines(capsys)
    assert (line["label"], line["sure"], line["decided"]) == ("working out", True, 0.0)
    assert line["broader"][:2] == [["doing squats", 0.33], ["doing lunges", 0.3]]
    assert line["probability"] == pytest.approx(
        sum(p for _, p in line["broader"]), abs=0.002
    )  # some thirty parts, each rounded
    assert [label for label, _ in line["top"][:3]] == ["doing squats", "doing lunges", "dancing"]
    assert line["steps"] == [{"time": 0.0, "label": "working out", "probability": line["probability"]}]


@pytest.mark.usefixtures("hesitating")
def test_a_sum_in_the_table(capsys, monkeypatch, cat):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["action", str(cat)]) == 0
    row = capsys.readouterr().out.splitlines()[1]
    assert "working out: doing squats 0.33, doing lunges 0.30" in row
    assert "dancing 0.27" in row
    assert row.count("doing squats") == 1


def test_labels_that_do_not_fit_are_one_sentence(capsys, monkeypatch, tmp_path, cat):
    shutil.copy(WEIGHTS / "action-lstm.safetensors", tmp_path)
    shutil.copy(WEIGHTS / "action-lstm.json", tmp_path)
    change_card(tmp_path / "action-lstm", {"labels": load_card(tmp_path / "action-lstm")["labels"][1:]})
    monkeypatch.setattr(arguments, "load_action", partial(load_action, weights=tmp_path))
    assert main(["action", str(cat)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "The card action-lstm.json has 690 labels, but its tensors have 691.\n"


def test_the_table_is_for_people(capsys, monkeypatch, bikes):
    monkeypatch.chdir(bikes.parent)
    assert main(["action", "bikes.mp4", "absent.mp4"]) == 1
    told = capsys.readouterr()
    assert "probability" in told.out
    assert "bikes.mp4" in told.out
    assert "absent.mp4: there is no such file." in told.err
    assert "absent" not in told.out


@pytest.mark.parametrize(("sure", "said", "decided"), [(True, "talking", "2.4 s"), (False, "not sure: talking", "")])
def test_a_row_of_the_table_has_no_time_of_decision_where_the_answer_is_not_sure(sure, said, decided):
    top = [["talking", 0.3], ["walking", 0.2], ["cooking", 0.1]]
    row = as_row(
        {
            "label": "talking",
            "probability": 0.3,
            "sure": sure,
            "broader": None,
            "decided": 2.4 if sure else None,
            "top": top,
            "steps": [{}, {}],
        }
    )
    assert (row[0], row[-1]) == (said, decided)


def test_a_long_path_leaves_room_for_the_answer(capsys, monkeypatch, bikes):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["action", str(bikes)]) == 0
    first, *wrapped = capsys.readouterr().out.splitlines()[1:]
    assert "…" in first
    assert bikes.name in first
    assert "driving a car" in " ".join([first, *wrapped])


def test_results_are_appended_to_a_file_and_an_interrupted_run_goes_on(capsys, tmp_path, bikes, cat, folder):
    shutil.copy(bikes, tmp_path / "a.mp4")
    shutil.copy(cat, tmp_path / "b.jpg")
    (tmp_path / "c.mp4").write_text("buy milk")
    line = ["action", str(tmp_path), "--out", str(tmp_path / "found.jsonl")]
    assert main(line) == 1
    assert capsys.readouterr().out == ""
    found = tmp_path / "found.jsonl"
    whole = found.read_bytes()
    rows = [json.loads(row) for row in whole.splitlines()]
    assert [row["input"] for row in rows] == [str(tmp_path / name) for name in ("a.mp4", "b.jpg", "c.mp4", "frames")]
    found.write_bytes(whole[: whole.rindex(b'"steps"')])  # killed while it wrote the last line
    assert main(line) == 1
    again = [json.loads(row) for row in found.read_bytes().splitlines()]
    assert again == [*rows[:3], rows[2], rows[3]]  # what could not be read is tried again
    (tmp_path / "c.mp4").unlink()
    whole = found.read_bytes()
    assert main(line) == 0
    assert found.read_bytes() == whole


@pytest.mark.parametrize("content", [b"buy milk", b"buy milk\n", b'{"a": 1}\n', b"\x00\xff\n\x80"])
def test_a_file_of_something_else_is_left_as_it_is(capsys, tmp_path, cat, content):
    (tmp_path / "notes.txt").write_bytes(content)
    assert main(["action", str(cat), "--out", str(tmp_path / "notes.txt")]) == 2
    assert "holds something else" in capsys.readouterr().err
    assert (tmp_path / "notes.txt").read_bytes() == content


def test_a_file_that_cannot_be_written_is_a_sentence(capsys, tmp_path, cat):
    assert main(["action", str(cat), "--out", str(tmp_path / "absent" / "found.jsonl")]) == 2
    assert "could not be opened" in capsys.readouterr().err


def test_each_image_of_a_folder_by_itself(capsys, folder):
    assert main(["caption", str(folder), "--each", "--json", "--beam", "1"]) == 0
    assert [Path(line["input"]).name for line in lines(capsys)] == [f"{k:03}.jpg" for k in range(6)]


def test_captions_load_no_video_encoder(monkeypatch, capsys, bikes):
    monkeypatch.setattr(encoder, "load_video_encoder", lambda *_: pytest.fail("Captioners read no motion."))
    assert main(["caption", str(bikes), "--json", "--beam", "1"]) == 0
    assert lines(capsys)[0]["caption"]


def test_captions_as_json(capsys, tmp_path, bikes, cat, folder):
    (tmp_path / "notes.mp4").write_text("buy milk")
    paths = [str(p) for p in (bikes, tmp_path / "notes.mp4", cat, folder)]
    assert main(["caption", *paths, "--json", "--beam", "3"]) == 1
    clip, bad, photo, frames = lines(capsys)
    assert [line["input"] for line in (clip, bad, photo, frames)] == paths
    assert set(bad) == {"input", "error"}
    for line in (clip, photo, frames):
        assert line["caption"] == " ".join(word["word"] for word in line["words"])
        assert 3 <= len(line["words"]) <= 20
        assert all(0 < word["probability"] <= 1 for word in line["words"])
        assert len(line["alternatives"]) == 2
        assert line["caption"] not in line["alternatives"]
        assert line["score"] < 0


def test_a_wider_beam_never_scores_lower(capsys, cat, bikes):
    scores = []
    for beam in ("1", "3", "8"):
        assert main(["caption", str(cat), str(bikes), "--json", "--beam", beam]) == 0
        scores.append([line["score"] for line in lines(capsys)])
    for narrow, wide in pairwise(scores):
        assert all(w >= n for n, w in zip(narrow, wide, strict=True))


@pytest.mark.parametrize("beam", ["0", "-1", "many", "51"])
def test_an_impossible_beam_is_refused(capsys, cat, beam):
    with pytest.raises(SystemExit) as stopped:
        main(["caption", str(cat), "--beam", beam])
    assert stopped.value.code == 2
    assert "1 to 50" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("prefix", "word"),
    [("hell", "hello"), ("mornin", "morning"), ("langua", "language"), ("neur", "neural"), ("netw", "network")],
)
def test_words_are_completed(capsys, prefix, word):
    assert main(["complete", prefix, "--json"]) == 0
    (line,) = lines(capsys)
    assert line["input"] == prefix
    assert len(line["top"]) == 5
    assert word in dict(line["top"])
    assert all(text.startswith(prefix) for text, _ in line["top"])
    assert [step["prefix"] for step in line["steps"]] == [prefix[:k] for k in range(1, len(prefix) + 1)]
    for step in line["steps"]:
        assert len(step["next"]) == 5


def test_the_next_word(capsys):
    assert main(["next", "the clouds are in the", "a man is", "--json"]) == 0
    clouds, man = lines(capsys)
    assert clouds["input"] == "the clouds are in the"
    assert len(man["top"]) == 5
    assert sum(p for _, p in man["top"]) <= 1


def test_where_the_clouds_are(capsys):
    assert main(["next", "the clouds are in the", "--json"]) == 0
    assert "sky" in [word for word, _ in lines(capsys)[0]["top"][:3]]


def test_as_a_program_from_anywhere(tmp_path, concert):
    """A process of its own: clean output on stdout, one sentence for a bad file, exit status 1, nothing left behind."""
    shutil.copy(concert, tmp_path / "clip.mp4")
    (tmp_path / "tmp").mkdir()
    run = subprocess.run(
        [sys.executable, "-m", "pipeline", "action", "absent.mp4", "clip.mp4", "--json"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path / "tmp")},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 1
    absent, clip = map(json.loads, run.stdout.splitlines())
    assert absent == {"input": "absent.mp4", "error": "absent.mp4: there is no such file."}
    assert clip["label"] == "performing music"
    assert run.stderr == ""
    assert not list((tmp_path / "tmp").iterdir())
