"""One clip for the whole visit: however a page is opened (a click, its address, Back, a reload), it shows the
visitor's own clip, cell and step, and no page fails."""

from __future__ import annotations

import hashlib
import re
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from pipeline.media.samples import sample_data
from tests.browser.uploading import upload

pytestmark = pytest.mark.browser

TITLES = {"W": "Watch", "D": "Describe", "I": "Inside", "L": "Language", "M": "Models"}
HEADINGS = {"W": "doing", "D": "to see", "I": "Inside", "L": "comes next", "M": "models know"}
TOUR = "WDWIWLWMDIDLDMILIMLMW"  # every ordered pair of pages, once each
CLIP_PAGES = "WDI"  # the pages that show the visitor's clip


def digest_of_sample(name: str) -> str:
    return hashlib.sha256(sample_data(name)).hexdigest()


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def settle(page: Page) -> None:
    """Wait until the script has run to its end, and assert that it did not fail."""
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    expect(page.get_by_test_id("stException")).to_have_count(0)


def click_to(page: Page, letter: str) -> None:
    page.get_by_role("link").filter(has_text=TITLES[letter]).first.click()
    arrive(page, letter)


def arrive(page: Page, letter: str) -> None:
    """Wait until the page is shown. To leave it before its run has begun would undo the step in Streamlit's history."""
    page.wait_for_url(re.compile(r"/(\?|$)" if letter == "W" else f"/{TITLES[letter].lower()}"))
    expect(page.get_by_role("heading", level=1)).to_contain_text(HEADINGS[letter])
    settle(page)


def choose(page: Page, name: str, address: str = "") -> None:
    """Press a sample, a cell or a topic, and wait for the page that shows it; ``address`` is part of its address."""
    page.get_by_role("radio", name=name, exact=True).click()
    expect(page.get_by_role("radio", name=name, exact=True)).to_be_checked()
    page.wait_for_url(re.compile(address or f"={name.lower()}"))
    settle(page)


def shown(page: Page, digest: str) -> Locator:
    """What belongs to the clip on this page."""
    return page.locator(f".unroll[data-clip='{digest}']")


def answer(page: Page) -> str:
    """The answer of the page: the labels, the sentence, or the names of the cell's parts."""
    parts = page.locator(".bars:visible, .sentence:visible, .strip .head:visible")
    expect(parts.first).to_be_visible()
    return " ".join(parts.all_inner_texts())


def chip(page: Page) -> Locator:
    return page.locator(".st-key-clip")


def step(page: Page) -> str | None:
    return page.locator(".handle").first.get_attribute("aria-valuenow")


def move_to_second_frame(page: Page) -> None:
    page.locator(".handle").first.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".handle").first).to_have_attribute("aria-valuenow", "2")


def walk(page: Page, digest: str, name: str, cell: str) -> None:
    """Click through every ordered pair of pages; on each the clip, the cell, the step and the answer are the same."""
    answers: dict[str, str] = {}
    for before, letter in zip(" " + TOUR, TOUR, strict=False):
        if before != " ":
            click_to(page, letter)
        if letter not in CLIP_PAGES:
            continue
        expect(shown(page, digest).first, f"{before} to {letter}").to_be_visible()
        expect(page.locator(".unroll[data-clip]")).to_have_count(shown(page, digest).count())
        expect(chip(page)).to_contain_text(name)
        expect(page.get_by_role("radio", name=cell, exact=True)).to_be_checked()
        expect(page.locator(".handle").first).to_have_attribute("aria-valuenow", "2")
        assert answers.setdefault(letter, answer(page)) == answer(page), f"{before} to {letter}"


def test_a_sample_and_a_cell_hold_on_every_page(page):
    choose(page, "drums")
    choose(page, "GRU")
    expect(shown(page, digest_of_sample("drums")).first).to_be_visible()
    move_to_second_frame(page)
    walk(page, digest_of_sample("drums"), "drums", "GRU")
    assert "sample=drums" in page.url
    assert "cell=gru" in page.url
    assert "step=2" in page.url


def test_an_upload_holds_on_every_page(page, short_clips):
    path, _ = short_clips
    upload(page, path)
    expect(shown(page, digest_of(path)).first).to_be_visible()
    choose(page, "RNN")
    move_to_second_frame(page)
    walk(page, digest_of(path), path.name, "RNN")


WATCHER = """() => {
  window.log = []
  window.watcher = setInterval(() => {
    const visible = (e) => e.checkVisibility({ visibilityProperty: true })
    const roots = [...document.querySelectorAll("*")].map((e) => e.shadowRoot).filter(Boolean)
    const pictures = roots.flatMap((root) => [...root.querySelectorAll(".unroll[data-clip]")])
    window.log.push({
      clips: pictures.filter(visible).map((e) => e.dataset.clip),
      players: [...document.querySelectorAll("video")].filter(visible).length,
      reading: document.querySelector("[data-testid=stProgress]") !== null,
    })
  }, 20)
}"""


@pytest.mark.parametrize("letter", CLIP_PAGES)
def test_of_two_uploads_in_a_row_the_second_is_shown_and_nothing_else(page, short_clips, letter):
    if letter != "W":
        page.goto(page.url.split("?")[0] + TITLES[letter].lower())
    first, second = short_clips
    for path in short_clips:
        upload(page, path)
        expect(shown(page, digest_of(path)).first).to_be_visible()
        settle(page)
        if path == first:
            page.evaluate(WATCHER)
            page.locator("video").evaluate_all("all => all.forEach(v => (v.dataset.before = 'yes'))")
    log = page.evaluate("() => { clearInterval(window.watcher); return window.log }")
    assert {clip for moment in log for clip in moment["clips"]} == {digest_of(first), digest_of(second)}
    for moment in log:
        assert len(set(moment["clips"])) <= 1, "pictures of two clips at once"
        assert moment["players"] <= 1, "another clip's player beside that of this one"
        if moment["reading"]:
            assert set(moment["clips"]) <= {digest_of(second)}, "a picture of another clip beside the progress bar"
    expect(page.locator(".unroll[data-clip]")).to_have_count(shown(page, digest_of(second)).count())
    expect(page.locator("video[data-before]")).to_have_count(0)
    if letter == "D":
        cues = "v => [...v.textTracks].map(t => [...t.cues].map(c => c.text))"
        page.wait_for_function("document.querySelector('video').textTracks[0]?.cues?.length")
        (subtitles,) = page.locator("video").evaluate(cues)
        assert subtitles == page.locator(".history button").evaluate_all("b => b.map(e => e.lastChild.textContent)")


def test_subtitles_do_not_pile_up_when_the_cell_changes(page, server):
    page.goto(f"{server}/describe")
    page.locator(".sentence .word").first.wait_for()
    for cell in ("GRU", "RNN"):
        choose(page, cell)
    assert page.locator("video").evaluate("v => v.textTracks.length") == 1


def test_a_reload_keeps_sample_cell_step_and_topic(page):
    choose(page, "drums")
    choose(page, "RNN")
    move_to_second_frame(page)
    click_to(page, "L")
    choose(page, "letters")
    page.reload()
    expect(page.get_by_label("Begin a word")).to_be_visible()
    page.go_back()
    page.go_back()
    expect(page.locator(".handle").first).to_have_attribute("aria-valuenow", "2")
    page.reload()
    expect(shown(page, digest_of_sample("drums")).first).to_be_visible()
    expect(page.get_by_role("radio", name="RNN", exact=True)).to_be_checked()
    expect(page.locator(".handle").first).to_have_attribute("aria-valuenow", "2")


def test_a_reload_says_that_an_upload_has_to_be_chosen_again(page, short_clips):
    path, _ = short_clips
    upload(page, path)
    expect(shown(page, digest_of(path)).first).to_be_visible()
    page.reload()
    settle(page)
    expect(page.get_by_text("please choose it again")).to_be_visible()
    expect(page.locator(".unroll[data-clip]")).to_have_count(0)
    upload(page, path)
    expect(shown(page, digest_of(path)).first).to_be_visible()


def test_back_and_forward_go_where_the_visitor_was(page):
    def there(letter: str, sample: str) -> Callable[[], None]:
        def check() -> None:
            arrive(page, letter)
            if letter in CLIP_PAGES:
                expect(shown(page, digest_of_sample(sample)).first).to_be_visible()
                expect(chip(page)).to_contain_text(sample)

        return check

    places = [there("W", "guitar"), there("W", "drums"), there("D", "drums"), there("L", "")]
    places += [there("I", "drums"), there("I", "bunny")]
    choose(page, "drums")
    click_to(page, "D")
    click_to(page, "L")
    click_to(page, "I")
    choose(page, "bunny")
    for place in reversed(places[:-1]):
        page.go_back()
        place()
    for place in places[1:]:
        page.go_forward()
        place()


def test_nothing_stale_stays_in_the_address(page):
    move_to_second_frame(page)
    assert "step=2" in page.url
    choose(page, "drums")
    expect(shown(page, digest_of_sample("drums")).first).to_be_visible()
    assert "step" not in page.url
    click_to(page, "L")
    choose(page, "words")
    assert "topic=words" in page.url
    assert "sample" not in page.url
    click_to(page, "W")
    expect(shown(page, digest_of_sample("drums")).first).to_be_visible()
    assert "topic" not in page.url


def test_two_tabs_are_two_visits(page, short_clips):
    path, _ = short_clips
    upload(page, path)
    expect(shown(page, digest_of(path)).first).to_be_visible()
    other = page.context.new_page()
    other.goto(page.url.split("?")[0])
    choose(other, "drums")
    click_to(page, "D")
    expect(shown(page, digest_of(path)).first).to_be_visible()
    click_to(other, "I")
    expect(shown(other, digest_of_sample("drums")).first).to_be_visible()
    expect(chip(other)).to_contain_text("drums")


def test_a_sample_replaces_an_upload_and_an_upload_can_be_removed(page, short_clips):
    path, _ = short_clips
    upload(page, path)
    expect(shown(page, digest_of(path)).first).to_be_visible()
    choose(page, "drums")
    expect(shown(page, digest_of_sample("drums")).first).to_be_visible()
    expect(chip(page)).to_contain_text("drums")
    upload(page, path)
    expect(chip(page)).to_contain_text(path.name)
    chip(page).get_by_role("button", name="Remove").click()
    expect(chip(page)).not_to_contain_text(path.name)
    expect(shown(page, digest_of_sample("drums")).first).to_be_visible()  # the sample chosen last


def test_an_upload_is_held_by_the_visit_alone(page, server, short_clips):
    """Streamlit's own store, which would keep every upload until the session ends, is empty."""
    for path in short_clips:
        upload(page, path)
        expect(shown(page, digest_of(path)).first).to_be_visible()
        settle(page)
    metrics = urllib.request.urlopen(f"{server}/_stcore/metrics").read().decode()
    stored = re.findall(r'cache_type="UploadedFileManager".* (\d+)$', metrics, re.MULTILINE)
    assert set(stored) <= {"0"}


def test_a_refused_file_gives_its_reason_without_hovering(page, tmp_path):
    (tmp_path / "letter.docx").write_bytes(b"PK")
    upload(page, tmp_path / "letter.docx")
    reason = page.get_by_test_id("stFileUploader").get_by_role("alert")
    expect(reason).to_contain_text("not allowed")
    box = reason.bounding_box()
    assert box["width"] > 100
    assert box["height"] > 10
