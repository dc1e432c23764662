from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from pipeline.media.reader import read_clip
from pipeline.models.caption import frames_read
from pipeline.models.checkpoint import WEIGHTS
from tests.browser.uploading import upload

READY = (WEIGHTS / "caption-clip-lstm.json").exists()
pytestmark = [pytest.mark.browser, pytest.mark.skipif(not READY, reason="the captioners are not trained yet")]


@pytest.fixture
def describe(page, server) -> Iterator[Page]:
    """The page, with the first sample described."""
    page.goto(f"{server}/describe")
    page.locator(".sentence .word").first.wait_for()
    return page


def light(page: Page) -> str:
    return page.locator("figure.looking canvas").evaluate("c => c.toDataURL()")


def test_a_photo_gets_a_sentence_whose_words_can_be_opened(describe, cat):
    upload(describe, cat)
    expect(describe.locator(".unroll .when").first).to_contain_text("One picture")
    words = describe.locator(".sentence .word:not(.end)")
    assert words.count() >= 3
    expect(describe.locator(".maps .map")).to_have_count(words.count() + 1)
    expect(describe.locator("figure.looking canvas")).to_be_hidden()  # as it is, until a word is touched
    words.nth(0).hover()
    expect(words.nth(0)).to_have_attribute("aria-pressed", "true")
    expect(describe.locator(".bars .said .name")).to_have_text(words.nth(0).inner_text())
    first = light(describe)
    describe.locator(".maps .map").nth(2).click()
    expect(words.nth(2)).to_have_attribute("aria-pressed", "true")
    expect(describe.locator(".bars .said .name")).to_have_text(words.nth(2).inner_text())
    assert light(describe) != first


def test_a_clip_has_a_sentence_after_every_frame(describe, bikes):
    upload(describe, bikes)
    expect(describe.locator(".unroll .when").first).to_contain_text("After all 50 frames")
    clip = read_clip(bikes)
    frames, read = len(clip.frames), frames_read([frame.time for frame in clip.frames])
    expect(describe.locator(".film img")).to_have_count(len(read))
    tracks = describe.locator(".handle")
    tracks.focus()
    describe.keyboard.press("Home")
    expect(describe.locator(".unroll .when").first).to_contain_text(f"After frame 1 of {frames}")
    early = " ".join(describe.locator(".sentence .word:not(.end)").all_inner_texts())
    expect(describe.locator(".history .current")).to_contain_text(early)
    describe.keyboard.press("End")
    expect(describe.locator(".unroll .when").first).to_contain_text(f"After all {frames} frames")
    expect(describe.locator(".look")).to_have_count(describe.locator(".sentence .word").count())


def test_what_can_be_taken_away(describe):
    with describe.expect_download() as taken:
        describe.get_by_role("button", name="JSON").click()
    found = json.loads(taken.value.path().read_text())
    words = [word["word"] for word in found["words"][:-1]]
    assert found["caption"].split() == words
    assert describe.locator(".sentence .word:not(.end)").all_inner_texts() == words
    with describe.expect_download() as taken:
        describe.get_by_role("button", name="Subtitles").click()
    assert taken.value.path().read_text().startswith("WEBVTT\n\n00:00:00.000 --> ")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_at_phone_width_nothing_is_cut_off(chromium, server, scheme):
    page = chromium.new_context(viewport={"width": 400, "height": 850}, color_scheme=scheme).new_page()
    page.goto(f"{server}/describe")
    page.locator(".sentence .word").first.wait_for(timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    for part in (".sentence", ".bars", ".controls", ".caption", ".history"):
        box = page.locator(part).first.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 400
    page.context.close()
