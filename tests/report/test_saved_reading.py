"""What can be saved of a reading, and the steps of a reading under way."""

from __future__ import annotations

import base64
import json
from io import BytesIO

import pytest
from PIL import Image

from pipeline.analysis.reading import read_features
from pipeline.media.reader import MAX_STEPS, read_clip
from pipeline.media.samples import CARPHONE, source_path
from pipeline.report import figure_data
from pipeline.report.card import SIZE, card
from pipeline.report.reading_json import reading_json
from pipeline.sandbox.sampling import expected_steps


@pytest.fixture(scope="module")
def read(encoder, lstm):
    clip = read_clip(source_path(CARPHONE))
    features = encoder.encode_clip(clip)
    return clip, features, read_features(lstm, features, clip.duration)


def test_the_card_is_a_picture_of_the_size_that_links_show(read):
    clip, _, reading = read
    png = card(reading, [frame.preview_jpeg for frame in clip.frames], "a man <b> " * 30, "LSTM")
    picture = Image.open(BytesIO(png))
    assert picture.format == "PNG"
    assert picture.size == SIZE == (1200, 630)
    assert len(set(picture.convert("RGB").getdata())) > 1000  # frames and curves are drawn


def test_the_json_says_what_the_reading_says(read):
    _, _, reading = read
    data = json.loads(reading_json(reading, "a man is talking", "lstm"))
    assert data["answer"] == reading.prediction.label
    assert [step["answer"] for step in data["steps"]] == reading.leading
    assert [step["time"] for step in data["steps"]] == pytest.approx(reading.times, abs=0.001)


def test_the_steps_of_a_reading_under_way_are_those_of_the_whole(read, lstm):
    _, features, reading = read
    steps, first = reading.steps, reading.steps[0]
    sent = [
        figure_data.step_data(reading.rule, step, steps[max(0, k - 1)], first, "alone", None)
        for k, step in enumerate(steps)
    ]
    verdict, timeline = figure_data.verdict(reading), figure_data.timeline(reading, lstm, features)
    assert [each["answer"] for each in sent] == verdict["answers"]
    assert [each["top"][: figure_data.TOP] for each in sent] == verdict["tops"]
    assert [each["leader"] for each in sent] == timeline["leaders"]
    assert b"".join(base64.b64decode(each["hidden"]) for each in sent) == base64.b64decode(timeline["hidden"])


def test_a_step_is_as_long_at_the_end_as_at_the_beginning(read):
    _, _, reading = read
    steps = reading.steps
    sizes = [
        len(json.dumps(figure_data.step_data(reading.rule, step, steps[k - 1], steps[0], "alone", None)))
        for k, step in enumerate(steps[1:], start=1)
    ]
    assert max(sizes) - min(sizes) < 500  # labels differ in length


def test_as_many_steps_are_expected_as_come(read, concert, bikes):
    for path in (source_path(CARPHONE), concert, bikes):
        clip = read_clip(path)
        assert expected_steps(clip.duration, MAX_STEPS) == pytest.approx(len(clip.frames), abs=1)
    assert expected_steps(0.0, MAX_STEPS) == 0
