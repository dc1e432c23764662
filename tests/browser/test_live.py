"""The page while a clip is read: it grows in its final place; and the experiments on a clip that was read."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from pipeline.media.samples import SAMPLES, Promise
from tests.browser.test_visit import digest_of, digest_of_sample, shown
from tests.browser.uploading import upload

pytestmark = pytest.mark.browser

SHIFTS = """() => {
  window.shifts = []
  const told = (e) => [e.startTime, e.value, e.sources.map((source) => source.node?.className ?? "")]
  const add = (list) => window.shifts.push(...list.getEntries().map(told))
  new PerformanceObserver(add).observe({ type: "layout-shift" })
}"""
SIZES = """() => {
  window.sizes = []
  window.watcher = setInterval(() => {
    const roots = [...document.querySelectorAll("*")].map((e) => e.shadowRoot).filter(Boolean)
    const part = roots.map((root) => root.querySelector("[data-part=timeline]")).find(Boolean)
    if (!part || !document.querySelector("[data-testid=stProgress]")) return
    const top = part.getBoundingClientRect().top
    window.sizes.push([part.querySelectorAll(".film img").length, Math.round(top)])
  }, 40)
}"""


def at_rest(page: Page) -> None:
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    expect(page.get_by_test_id("stException")).to_have_count(0)


def test_a_clip_is_shown_while_it_is_read_and_nothing_moves(page, concert):
    at_rest(page)
    page.evaluate(SHIFTS)
    page.evaluate(SIZES)
    upload(page, concert)
    when = shown(page, digest_of(concert)).locator(".when").first
    expect(when).to_have_text(re.compile(r"After all \d+ frames"))
    sizes = page.evaluate("() => { clearInterval(window.watcher); return window.sizes }")
    pictures = [count for count, _ in sizes]
    assert len(set(pictures)) > 3, "it grew while it was read"
    assert pictures == sorted(pictures), "no picture was taken away"
    assert len({top for count, top in sizes if count}) == 1, "it stood in one place"
    at_rest(page)
    shifts = page.evaluate("window.shifts")
    assert cumulative_layout_shift(shifts) <= 0.05, sorted(shifts, key=lambda shift: -shift[1])[:5]


def cumulative_layout_shift(shifts: list[tuple[float, float, list[str]]]) -> float:
    """Cumulative Layout Shift as browsers define it: of shifts that follow each other within a second, at most five
    seconds together, the largest sum. Times are in milliseconds."""
    largest = total = 0.0
    start = before = float("-inf")
    for time, value, _ in shifts:
        if time - before > 1000 or time - start > 5000:
            total, start = 0.0, time
        total, before = total + value, time
        largest = max(largest, total)
    return largest


def test_everything_of_a_clip_stands_above_the_fold(page):
    at_rest(page)
    for part in (".st-key-player video", ".label", ".film", ".chart-box"):
        box = page.locator(part).first.bounding_box()
        assert box["y"] + box["height"] <= 900, part


def test_what_would_change_its_mind(page):
    name = next(name for name, sample in SAMPLES.items() if sample.promise is Promise.ORDER)
    page.get_by_role("radio", name=name, exact=True).click()
    expect(shown(page, digest_of_sample(name)).locator(".when").first).to_contain_text("After all")
    at_rest(page)
    page.get_by_role("button", name="What would change its mind?").click()
    finding = page.locator(".finding")
    expect(finding).to_have_text(
        re.compile(r"^(Without frames? \d.* it would have said .+\.|Every frame says the same.*)$")
    )
    lifted = page.locator(".lift .lifted").count()
    assert (lifted > 0) == finding.inner_text().startswith("Without")


def test_operations_on_the_memory_are_read_by_all_three_cells(page):
    at_rest(page)
    page.get_by_text("forget half-way").click()
    expect(page.get_by_text("After the cut")).to_contain_text("RNN")
    expect(page.locator(".frame.cut")).to_have_count(1)
    frames = page.locator(".frame")
    count = frames.count()
    frames.nth(1).click()
    page.get_by_role("button", name="Delete it").click()
    expect(frames).to_have_count(count - 1)
    page.get_by_role("button", name="Double it").click()
    expect(frames).to_have_count(count)
    first = page.locator(".frame span").first.inner_text()
    page.locator(".frame").first.drag_to(page.locator(".frame").nth(2))
    expect(page.locator(".frame span").nth(2)).to_have_text(first)
    expect(page.locator(".cell-row")).to_have_count(3)
    page.get_by_text("go on with another clip").click()
    expect(page.get_by_text("After the join")).to_contain_text("LSTM")


def test_a_reading_can_be_taken_along(page, tmp_path):
    at_rest(page)
    page.get_by_role("button", name="Save this reading").click()
    saved: dict[str, bytes] = {}
    for label in ("Page (HTML)", "Card (PNG)", "Subtitles (WebVTT)", "Data (JSON)"):
        with page.expect_download() as download:
            page.get_by_role("button", name=label).click()
        path = Path(tmp_path / download.value.suggested_filename)
        download.value.save_as(path)
        saved[path.suffix] = path.read_bytes()
    assert b"<!doctype html>" in saved[".html"][:40]
    assert saved[".png"].startswith(b"\x89PNG")
    assert saved[".vtt"].startswith(b"WEBVTT")
    assert json.loads(saved[".json"])["answer"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_serious_violation_of_accessibility(chromium, server, scheme):
    page = chromium.new_context(viewport={"width": 1280, "height": 900}, color_scheme=scheme).new_page()
    page.set_default_timeout(60_000)
    found = []
    for path in ("", "describe", "inside", "language", "models"):
        page.goto(f"{server}/{path}")
        page.locator("h1").first.wait_for()
        at_rest(page)
        for violation in Axe().run(page).response["violations"]:
            if violation["impact"] in ("serious", "critical"):
                found.append((path, violation["id"], violation["nodes"][0]["html"][:120]))
    page.context.close()
    assert found == []


def test_no_page_asks_a_third_party_for_anything(chromium, server):
    page = chromium.new_context(viewport={"width": 400, "height": 850}).new_page()
    page.set_default_timeout(60_000)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for path in ("", "models"):
        page.goto(f"{server}/{path}")
        page.locator("h1").first.wait_for()
        at_rest(page)
    page.context.close()
    assert [url for url in asked if not url.startswith((server, server.replace("http", "ws"), "data:", "blob:"))] == []
