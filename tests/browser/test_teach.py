"""One walk over the page Teach: two labels, three clips each, cut from the packaged ones; learn, use, take along."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import cut
from tests.sample_media import no_decoder_is_left, wait_until

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def own_clips(concert, tmp_path_factory) -> dict[str, list[Path]]:
    """Three pieces of the beginning of the concert, and three of its middle."""
    folder = tmp_path_factory.mktemp("own")
    return {
        "opening": [cut(concert, 4 * k, 4 * k + 3, folder / f"opening{k}.mp4") for k in range(3)],
        "middle": [cut(concert, 30 + 4 * k, 33 + 4 * k, folder / f"middle{k}.mp4") for k in range(3)],
    }


def at_rest(page: Page) -> None:
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def open_page(page: Page, name: str) -> None:
    page.locator(".st-key-menu").get_by_role("link", name=name).click()
    at_rest(page)


def choose_files(page: Page, label: int, files: list[Path]) -> None:
    at_rest(page)
    page.locator(f".st-key-label-{label} input[type=file]").set_input_files(files)


def test_two_actions_are_taught_used_and_taken_along(page, own_clips, uploads, tmp_path):
    open_page(page, "Teach")
    for label in own_clips:
        page.get_by_label("A new action").fill(label)
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.locator(".clip-name", has_text=label)).to_be_visible()
    notes = tmp_path / "notes.mp4"
    notes.write_text("buy milk")
    choose_files(page, 0, [*own_clips["opening"], notes])
    expect(page.locator(".st-key-label-0 .clip-name", has_text="3 clips")).to_be_visible()
    expect(
        page.get_by_test_id("stAlert").filter(has_text="notes")
    ).to_be_visible()  # one sentence, and the others went on
    choose_files(page, 1, own_clips["middle"])
    expect(page.locator(".st-key-label-1 .clip-name", has_text="3 clips")).to_be_visible()
    page.get_by_role("button", name="Learn").click()
    expect(page.get_by_text("right about left-out clips")).to_be_visible()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download the recogniser").click()
    file = tmp_path / "taught.safetensors"
    waiting.value.save_as(file)
    first = answer_on_watch(page)
    page.locator(".handle").first.focus()
    page.keyboard.press("Home")
    expect(page.locator(".unroll .when")).to_contain_text("After frame 1 of")
    open_page(page, "Inside")
    expect(page.get_by_text("What it remembers", exact=True)).to_be_visible()
    page.reload()  # a new session: the recogniser is gone
    at_rest(page)
    assert page.get_by_role("radio", name="yours").count() == 0
    open_page(page, "Teach")
    page.get_by_role("button", name="Go on from a file").click()
    page.locator("[data-testid=stPopoverBody] input[type=file]").set_input_files(file)
    expect(page.get_by_text("When it was taught it was right about")).to_be_visible()
    assert answer_on_watch(page) == first
    wait_until(lambda: not list(uploads.glob("unroll-*")))


def answer_on_watch(page: Page) -> str:
    """The labels and probabilities that the taught recogniser gives the sample."""
    open_page(page, "Watch")
    expect(page.get_by_role("radio", name="yours")).to_be_checked()
    at_rest(page)
    page.locator(".handle").first.focus()  # the step is kept from page to page
    page.keyboard.press("End")
    expect(page.locator(".unroll .when").first).to_contain_text("After all")
    expect(page.locator(".bars li:visible")).to_have_count(2)
    return page.locator(".bars").first.inner_text()


def test_stop_in_the_middle_leaves_nothing_behind(page, slow_clip, uploads):
    open_page(page, "Teach")
    page.get_by_label("A new action").fill("ramps")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator(".clip-name", has_text="ramps")).to_be_visible()
    choose_files(page, 0, [slow_clip])
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("You stopped")).to_be_visible()
    expect(page.locator(".st-key-label-0 .clip-name", has_text="no clip yet")).to_be_visible()
    wait_until(lambda: not list(uploads.glob("unroll-*")))
    assert no_decoder_is_left()
