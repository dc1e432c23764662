"""The pages under Streamlit's own test driver: no browser, no server, the same scripts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pipeline.models.caption import is_shipped
from pipeline.models.checkpoint import WEIGHTS, CheckpointError
from pipeline.models.encoder import Encoder
from tests.sample_media import ISCC
from views.session import resources
from views.session.encoded_clip import recent_clips

ROOT = Path(__file__).parents[2]


def watch_page() -> None:
    from views import watch

    watch.page()


def models_page() -> None:
    from views import models

    models.page()


@pytest.fixture
def watch() -> AppTest:
    return AppTest.from_function(watch_page, default_timeout=120)


@pytest.fixture
def encoded(monkeypatch) -> list[int]:
    """Counts the pictures that the CNN is asked to encode."""
    counts: list[int] = []
    encode = Encoder._encode_canvases
    monkeypatch.setattr(
        Encoder, "_encode_canvases", lambda self, pictures: counts.append(len(pictures)) or encode(self, pictures)
    )
    return counts


def test_the_app_opens_on_a_sample(monkeypatch):
    monkeypatch.chdir(ROOT)
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run()
    assert not app.exception
    assert not app.error
    assert app.title[0].value == "What are they doing?"


def test_weights_that_do_not_fit_are_a_sentence(monkeypatch):
    def refuse(cell: str) -> None:
        raise CheckpointError(f"The card action-{cell}.json has 57 labels, but its tensors have 58.")

    recent_clips.clear()
    resources.action_model.clear()
    monkeypatch.setattr(resources, "load_action", refuse)
    monkeypatch.chdir(ROOT)
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run()
    assert not app.exception
    assert [error.value for error in app.error] == ["The card action-lstm.json has 57 labels, but its tensors have 58."]


@pytest.mark.parametrize(("name", "value"), [("UNROLL_ENGINE", "abacus"), ("UNROLL_LONGEST_LINE", "many")])
def test_a_setting_that_is_not_understood_is_one_sentence(monkeypatch, name, value):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv(name, value)
    for module in ("pipeline.limits", "views.hosting.job_queue"):
        monkeypatch.delitem(sys.modules, module, raising=False)  # as in a fresh process
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=120).run()
    assert not app.exception
    assert not app.title
    (error,) = app.error
    assert error.value.startswith(f"{name} must be ")
    assert error.value.endswith(f"not {value!r}.")


def test_changing_the_cell_encodes_nothing_again(watch, encoded):
    recent_clips.clear()
    watch.run()
    assert sum(encoded) > 10
    encoded.clear()
    for cell in ("gru", "rnn", "lstm"):
        watch.segmented_control(key="cell").set_value(cell).run()
        assert not watch.exception
    assert encoded == []


@pytest.mark.parametrize("way", ["backwards", "shuffled", "without every n-th frame", "with a gap"])
def test_another_order_is_answered_without_encoding_an_image(watch, encoded, way):
    watch.run()
    encoded.clear()
    watch.pills(key="what-if").set_value(way).run()
    assert not watch.exception
    assert any(text.value.startswith("Played this way:") for text in watch.markdown)
    assert encoded == []


def test_a_clip_that_anybody_sent_before_is_not_encoded_again(watch, encoded):
    watch.run()
    encoded.clear()
    another_visitor = AppTest.from_function(watch_page, default_timeout=120).run()
    assert not another_visitor.exception
    assert encoded == []


@pytest.mark.parametrize("path", ["video/demo.mp4", "video/demo.avi", "image/demo.jpg"])
def test_an_upload_is_read(watch, path):
    watch.run()
    file = ISCC / path
    watch.file_uploader[0].set_value((file.name, file.read_bytes(), "application/octet-stream")).run()
    assert not watch.exception
    assert not watch.error


@pytest.mark.parametrize(
    ("name", "data"), [("list.mp4", b"milk, eggs, flour"), ("empty.mp4", b""), ("x.png", b"\x89PNG\r\n")]
)
def test_a_bad_upload_is_a_sentence_and_the_app_goes_on(watch, name, data, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    watch.run()
    watch.file_uploader[0].set_value((name, data, "video/mp4")).run()
    assert not watch.exception
    assert watch.error[0].value.replace("\\", "").startswith(name)
    assert not list(tmp_path.iterdir())
    watch.button(key="remove-upload").click().run()
    assert not watch.error
    assert not watch.exception


def test_a_file_name_is_never_markdown(watch):
    watch.run()
    name = "![x](https://example.org/a.png) <b>.mp4"
    watch.file_uploader[0].set_value((name, b"no video", "video/mp4")).run()
    assert "](" not in watch.error[0].value
    assert "<b>" not in watch.error[0].value


def test_the_models_page_shows_every_card():
    app = AppTest.from_function(models_page, default_timeout=60).run()
    assert not app.exception
    assert len(app.metric) == 6
    shown = {expander.label.removeprefix("The card of ") for expander in app.expander}
    assert shown == {card.stem for card in WEIGHTS.glob("*.json")}


def describe_page() -> None:
    from views import describe

    describe.page()


def language_page() -> None:
    from views import language

    language.page()


def test_beam_and_temperature_answer_from_what_was_encoded(encoded):
    app = AppTest.from_function(describe_page, default_timeout=120).run()
    assert not app.exception
    encoded.clear()
    app.slider(key="beam").set_value(8).run()
    app.segmented_control(key="how").set_value("at random").run()
    app.slider(key="temperature").set_value(1.2).run()
    assert not app.exception
    assert encoded == []


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_a_photo_is_described_with_and_without_looking_again(cell):
    app = AppTest.from_function(describe_page, default_timeout=120).run()
    app.segmented_control(key="cell").set_value(cell)
    file = ISCC / "image/demo.jpg"
    app.file_uploader[0].set_value((file.name, file.read_bytes(), "image/jpeg")).run()
    assert not app.exception
    if is_shipped("plain", cell):
        app.toggle(key="attends").set_value(False).run()
    assert not app.exception
    assert not app.error


def test_the_language_page_answers_whatever_is_typed():
    app = AppTest.from_function(language_page, default_timeout=60).run()
    assert not app.exception
    app.segmented_control(key="topic").set_value("letters").run()
    for text in ("", "hell", "<b>", "zzzzzzzz", "été"):
        app.text_input(key="prefix").set_value(text).run()
        assert not app.exception, text
    app.segmented_control(key="topic").set_value("words").run()
    for text in ("", "the clouds are in the", "[x](y) <b> xyzzy"):
        app.text_input(key="sentence").set_value(text).run()
        assert not app.exception, text
    app.segmented_control(key="topic").set_value("memory").run()
    app.slider(key="between").set_value(0).run()
    assert not app.exception
    assert {metric.value for metric in app.metric} == {"french"}


def inside_page() -> None:
    from views import inside

    inside.page()


@pytest.mark.parametrize("path", ["video/demo.mp4", "image/demo.jpg"])
def test_the_inside_page_takes_clips_of_any_length(path):
    """From a sample to a clip with another number of frames, or a photo with one."""
    app = AppTest.from_function(inside_page, default_timeout=120).run()
    assert not app.exception
    app.slider[0].set_value(app.slider[0].max).run()
    file = ISCC / path
    app.file_uploader[0].set_value((file.name, file.read_bytes(), "video/mp4")).run()
    assert not app.exception
    assert not app.error
    app.selectbox[0].set_value("cooking").run()
    assert not app.exception
    assert any("**cooking**" in text.value for text in app.markdown)
