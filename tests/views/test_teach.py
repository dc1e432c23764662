"""The page Teach under Streamlit's own test driver, and the state behind it."""

from __future__ import annotations

import gc

import pytest
from streamlit.testing.v1 import AppTest

from pipeline.media.samples import BIKES, BUNNY, CARPHONE, source_path
from pipeline.teaching.examples import TeachingError
from pipeline.teaching.lesson import learn
from pipeline.teaching.taught_file import load_taught, save_taught
from tests.teaching.made_examples import examples
from views.hosting.uploads import ClipFile, digest_of
from views.session.classroom import Classroom, ClassroomMemory, TaughtClip, read_pending
from views.session.encoded_clip import recent_clips


def teach_page() -> None:
    from views import teach

    teach.page()


def watch_page() -> None:
    from views import watch

    watch.page()


@pytest.fixture
def teach() -> AppTest:
    return AppTest.from_function(teach_page, default_timeout=120).run()


def media(name: str) -> bytes:
    return source_path({"bikes": BIKES, "bunny": BUNNY, "carphone": CARPHONE}[name]).read_bytes()


def add_label(app: AppTest, name: str) -> None:
    app.text_input[0].set_value(name)
    next(button for button in app.button if button.label == "Add").click()
    app.run()


def put(app: AppTest, number: int, samples: list[str]) -> None:
    """Upload samples to the label of this number."""
    files = [(f"{name}.mp4", media(name), "video/mp4") for name in samples]
    uploaders = [each for each in app.file_uploader if each.label.startswith("Clips or photos")]
    uploaders[number].set_value(files).run()


def test_clips_are_taught_judged_and_used_on_watch(teach, lstm):
    bad = ("notes.mp4", b"buy milk", "video/mp4")
    add_label(teach, "riding")
    add_label(teach, "sitting in a car")
    put(teach, 0, ["bikes", "bunny"])
    put(teach, 1, ["carphone"])
    uploaders = [each for each in teach.file_uploader if each.label.startswith("Clips or photos")]
    uploaders[1].set_value([bad, ("again.mp4", media("carphone"), "video/mp4")]).run()
    assert not teach.exception
    (error,) = teach.error
    assert error.value.startswith("notes")
    classroom = teach.session_state["classroom"]
    assert [len(classroom.clips_of(label)) for label in classroom.labels] == [2, 2]
    teach.button(key="learn").click().run()
    assert not teach.exception
    assert teach.metric[0].label == "right about left-out clips"
    assert teach.session_state["visit"].cell == "taught"
    taught = teach.session_state["visit"].taught.model
    library = learn([each.example for each in classroom.clips], lstm).model
    assert taught.card == library.card
    watch = AppTest.from_function(watch_page, default_timeout=120)
    watch.session_state["visit"] = teach.session_state["visit"]
    watch.run()
    assert not watch.exception
    assert watch.segmented_control(key="cell").value == "taught"
    watch.segmented_control(key="cell").set_value("lstm").run()
    assert not watch.exception


def test_another_visitor_sees_nothing_of_it(teach):
    add_label(teach, "mine")
    other = AppTest.from_function(teach_page, default_timeout=120).run()
    assert other.session_state["classroom"].labels == []
    assert teach.session_state["classroom"].labels == ["mine"]


def test_time_is_taught_from_a_sample(teach):
    teach.segmented_control(key="teach-what").set_value("time itself").run()
    teach.button(key="teach-time").click().run()
    assert not teach.exception
    assert any("as by chance" in each.value for each in teach.markdown)
    teach.segmented_control(key="time-task").set_value("this clip or another one").run()
    teach.button(key="teach-time").click().run()
    assert not teach.exception
    assert any("has no advantage" in each.value for each in teach.markdown)


def test_an_interrupted_reading_leaves_what_was_read_and_nothing_else():
    recent_clips.clear()
    classroom = Classroom()
    classroom.add_label("a")
    for name in ("bikes", "bunny"):
        data = media(name)
        classroom.pending.append(("a", ClipFile(data, name, digest_of(data))))

    class LeftError(Exception):
        pass

    def leave(number: int, count: int, label: str, share: float) -> None:
        if number == 2:
            raise LeftError

    with pytest.raises(LeftError):
        read_pending(classroom, leave)
    assert len(classroom.clips) == 1
    assert len(classroom.pending) == 1
    assert not classroom.can_learn


def test_the_clips_of_all_visitors_are_bounded_and_counted_while_they_are_there():
    memory = ClassroomMemory(300_000)
    one, other = Classroom(), Classroom()
    clips = [TaughtClip(each, ()) for each in examples("ab", 2)]
    one.clips = clips[:2]
    memory.count(one)
    assert memory.bytes == sum(each.size for each in clips[:2])
    with pytest.raises(TeachingError, match="no more room"):
        memory.check(other, 300_000)
    memory.check(other, clips[2].size)
    del one
    gc.collect()
    assert memory.bytes == 0


def test_a_file_of_features_goes_on(lstm):
    given = examples("ab", 3)
    _, kept = load_taught(save_taught(learn(given, lstm).model, given), lstm)
    more = [*kept, *examples("ab", 4)[3:4]]
    assert learn(more, lstm).model.card["clips"] == [4, 3]
