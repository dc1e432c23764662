from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from pipeline.media.reader import read_clip
from pipeline.media.samples import sample_data
from pipeline.report.figure_data import FILM
from tests.browser.uploading import remove_upload, upload
from tests.sample_media import ISCC, wait_until

MUSIC = re.compile("performing music|playing guitar")  # the second is finer
pytestmark = pytest.mark.browser

LAST = "After all {} frames"


@pytest.fixture(scope="module")
def steps(tmp_path_factory) -> dict[str, int]:
    """How many frames some samples have."""
    counts = {}
    for name in ("guitar", "drums", "bunny"):
        path = tmp_path_factory.mktemp("samples") / "clip.mp4"
        path.write_bytes(sample_data(name))
        counts[name] = len(read_clip(path).frames)
    return counts


def test_an_uploaded_clip_gets_a_label_a_chart_and_its_frames(page, uploads):
    clip = read_clip(ISCC / "video" / "demo.mp4")
    upload(page, ISCC / "video" / "demo.mp4")
    expect(page.locator(".unroll .label")).to_have_text(MUSIC)
    expect(page.locator(".unroll .when")).to_have_text(LAST.format(len(clip.frames)))
    expect(page.locator(".bars li")).to_have_count(5)
    expect(page.locator(".film img")).to_have_count(-(-len(clip.frames) // -(-len(clip.frames) // FILM)))
    assert page.locator(".film img").evaluate_all("images => images.every(i => i.complete && i.naturalWidth > 50)")
    lines = page.locator(".chart polyline")
    expect(lines).to_have_count(6)
    assert lines.evaluate_all("lines => lines.every(l => l.getBoundingClientRect().width > 300)")
    assert page.locator(".state").evaluate(
        "c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size > 20"
    )
    expect(page.locator("video")).to_have_js_property("error", None)
    page.wait_for_function("document.querySelector('video').readyState >= 2")
    page.locator(".piece").first.wait_for()  # the second, closer look is done
    wait_until(lambda: not list(uploads.glob("unroll-*")))


@pytest.mark.parametrize("suffix", ["avi", "wmv"])
def test_what_browsers_cannot_play_is_played_as_a_copy(page, uploads, suffix):
    upload(page, ISCC / "video" / f"demo.{suffix}")
    expect(page.locator(".unroll .label")).to_have_text(MUSIC)
    page.wait_for_function("document.querySelector('video')?.duration > 30")  # no longer that of the sample before
    assert page.locator("video").evaluate("video => video.duration") == pytest.approx(60, abs=1)
    expect(page.locator("video")).to_have_js_property("error", None)
    assert page.locator(".stage").count() == 0
    wait_until(lambda: not list(uploads.glob("unroll-*")))


def test_a_long_clip_comes_in_pieces_that_one_can_go_to(page):
    upload(page, ISCC / "video" / "demo.mp4")
    blocks = page.locator(".piece")
    blocks.first.wait_for()
    assert blocks.evaluate_all("all => all.every(b => b.getBoundingClientRect().width > 40)"), "no slivers"
    page.get_by_text(re.compile(r"^\d+ pieces$")).click()
    pieces = page.locator(".to")
    assert pieces.count() > 3
    assert page.get_by_text("a cut: the state begins again").count() >= 1
    start = float(re.match(r"([\d.]+) s", pieces.nth(2).inner_text())[1])
    page.wait_for_function("document.querySelector('video').readyState >= 2")
    pieces.nth(2).click()
    page.wait_for_function(f"Math.abs(document.querySelector('video').currentTime - {start}) < 0.2")
    times = [frame.time for frame in read_clip(ISCC / "video" / "demo.mp4").frames]
    step = sum(time <= start + 0.03 for time in times)
    expect(page.locator(".handle").first).to_have_attribute("aria-valuenow", str(step))


def test_the_label_is_spelled_as_it_stands_at_the_cursor(page):
    page.get_by_text("Letter by letter").click()
    page.locator(".handle").first.focus()
    for key in ("Home", "ArrowRight", "End"):
        page.keyboard.press(key)
        label = re.sub(r"^[\d.]+ s\s+(not sure: )?", "", page.locator(".readout").first.inner_text())
        first = page.locator(".letter").first.inner_text()
        shares = page.locator(".share").all_inner_texts()
        assert all(0 < float(share) <= 1 for share in shares)
        if key == "End":  # where one label is far ahead the likeliest letters are its letters
            assert "".join(page.locator(".letter").all_inner_texts()).replace("␣", " ") == label
            assert first == label[0]


def test_the_caption_stands_beside_the_label(page):
    said = page.locator(".said").first.inner_text()
    assert len(said.split()) >= 3


def test_the_cursor_moves_the_answer_without_a_rerun(page):
    tracks = page.locator(".handle")
    steps = int(tracks.get_attribute("aria-valuemax"))
    final = page.locator(".unroll .when").inner_text()
    assert final == LAST.format(steps)
    tracks.focus()
    page.keyboard.press("Home")
    expect(page.locator(".unroll .when")).to_have_text(f"After frame 1 of {steps}, at 0.0 s")
    page.keyboard.press("ArrowRight")
    expect(tracks).to_have_attribute("aria-valuenow", "2")
    box = tracks.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.5, box["y"] + 20)
    expect(tracks).to_have_attribute("aria-valuenow", str(steps // 2 + 1))
    assert page.locator("video").evaluate("v => v.currentTime") > 1
    page.keyboard.press("End")
    expect(page.locator(".unroll .when")).to_have_text(final)


def test_playing_moves_the_cursor(page):
    tracks = page.locator(".handle")
    page.get_by_role("button", name="Play", exact=True).click()
    expect(tracks).not_to_have_attribute("aria-valuenow", tracks.get_attribute("aria-valuemax"))
    expect(tracks).to_have_attribute("aria-valuenow", re.compile("^([2-9]|1[0-9]|2[0-2])$"), timeout=15_000)
    page.get_by_role("button", name="Pause", exact=True).click()


def test_a_shared_address_shows_the_same_step(page, server):
    page.goto(f"{server}/?sample=drums&cell=rnn&step=3")
    expect(page.locator(".unroll .when")).to_contain_text("After frame 3 of")
    expect(page.locator(".handle")).to_have_attribute("aria-valuenow", "3")
    page.locator(".handle").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**step=4**")
    assert "sample=drums" in page.url
    assert "cell=rnn" in page.url


def test_what_if_the_clip_were_played_backwards(page, steps):
    assert steps["drums"] <= FILM  # so that every frame has a picture
    page.get_by_role("radio", name="drums", exact=True).click()
    expect(page.get_by_text(LAST.format(steps["drums"]))).to_be_visible()
    page.get_by_text("backwards", exact=True).click()
    expect(page.locator(".dashed").first).to_be_visible()
    strips = page.locator(".film")
    expect(strips).to_have_count(2)
    forth, back = (strips.nth(k).locator("img").evaluate_all("all => all.map(i => i.src)") for k in (0, 1))
    assert back == forth[::-1]
    page.get_by_text("with a gap", exact=True).click()
    expect(strips.nth(1).locator(".missing").first).to_be_visible()
    assert strips.nth(1).locator("img").count() < len(forth)


def test_another_cell_reads_the_same_frames(page):
    def state() -> str:
        return page.locator(".state").evaluate("c => c.toDataURL()")

    before, frames = state(), page.locator(".film img").first.get_attribute("src")
    page.get_by_role("radio", name="RNN").or_(page.get_by_role("button", name="RNN")).first.click()
    for _ in range(100):
        if state() != before:
            break
        page.wait_for_timeout(100)
    assert state() != before
    assert page.locator(".film img").first.get_attribute("src") == frames


def test_a_clip_that_browsers_cannot_play_is_shown_frame_by_frame(page):
    path = ISCC / "video" / "demo.avi"
    upload(page, path)
    expect(page.locator("img.stage")).to_be_visible()
    # The parts arrive one after the other: until the strip is this clip's, the keys would move the one before.
    frames = len(read_clip(path).frames)
    expect(page.locator(".film img")).to_have_count(-(-frames // -(-frames // FILM)))
    first = page.locator("img.stage").get_attribute("src")
    page.locator(".handle").focus()
    page.keyboard.press("Home")
    expect(page.locator("img.stage")).not_to_have_attribute("src", first)


def test_a_photo_is_one_step(page, cat):
    upload(page, cat)
    expect(page.locator(".unroll .when")).to_have_text("One photo, one step")
    expect(page.locator("img.stage")).to_be_visible()
    expect(page.locator(".handle")).to_have_count(0)


def test_a_bad_file_is_a_sentence_and_the_next_file_works(page, tmp_path, uploads, cat):
    (tmp_path / "list.mp4").write_text("milk, eggs, flour")
    upload(page, tmp_path / "list.mp4")
    expect(page.locator("[data-testid=stAlert]")).to_contain_text("list.mp4 could not be read")
    assert "Traceback" not in page.content()
    remove_upload(page)
    expect(page.locator(".unroll .when")).to_contain_text("After all")  # the sample is there again
    upload(page, cat)
    expect(page.locator(".unroll .when")).to_have_text("One photo, one step")
    wait_until(lambda: not list(uploads.glob("unroll-*")))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_at_phone_width_nothing_is_cut_off(chromium, server, scheme):
    page = chromium.new_context(viewport={"width": 400, "height": 850}, color_scheme=scheme).new_page()
    page.goto(server)
    page.locator(".bars li").first.wait_for(timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    for part in (".answer", ".bars", ".controls", ".caption"):
        box = page.locator(part).first.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 400
    page.context.close()


def test_the_keys_move_the_clip_that_is_shown_and_no_earlier_one(page, steps):
    """Samples of different lengths, one after the other: what listened for the clip before ends with it."""
    for sample in ("drums", "bunny", "guitar"):
        page.get_by_role("button", name=sample).or_(page.get_by_role("radio", name=sample)).first.click()
        page.locator(f".handle[aria-valuemax='{steps[sample]}']").first.wait_for()
    page.wait_for_function("document.querySelector('video').readyState >= 2")
    page.evaluate(
        "document.querySelector('video').addEventListener('seeked', () => window.seeks = (window.seeks ?? 0) + 1)"
    )
    tracks = page.locator(".handle").first
    tracks.focus()
    last = steps["guitar"]
    for seeks, (key, step) in enumerate(
        (("Home", 1), ("ArrowRight", 2), ("ArrowRight", 3), ("End", last), ("ArrowLeft", last - 1)), start=1
    ):
        page.keyboard.press(key)
        page.wait_for_function(f"window.seeks >= {seeks}")  # the player has followed, and said so to whoever listens
        expect(tracks).to_have_attribute("aria-valuenow", str(step))
