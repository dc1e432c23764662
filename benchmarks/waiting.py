"""What a visitor waits for, in a real browser: the page after the app has started, and the answer to an upload."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.clips import write_clip
from benchmarks.end_to_end import SECONDS
from benchmarks.results import Result, result
from tests.browser.serving import CHROMIUM, FLAGS, served

SOON = 1.0  # seconds to the first answer that evolves


def measure(rounds: int) -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        clips = different(Path(folder), rounds + 1)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield from cold(Path(folder), browser, rounds)
            with served(Path(folder)) as app:
                waits = [uploaded(opened(browser, app.url), clip) for clip in clips][1:]  # the first one warms it up
        finally:
            browser.close()
    first, last = zip(*waits, strict=True)
    yield result("first_prediction_on_page", first, "s", SOON / sorted(first)[len(first) // 2], "1 s after choosing")
    yield result("answer_on_page", last, "s", SECONDS / sorted(last)[len(last) // 2], "the length of the clip")


def cold(folder: Path, browser: Browser, rounds: int) -> Iterator[Result]:
    """From the start of the process until it listens, and until the first visitor has the sample's answer."""
    listens, ready = [], []
    for _ in range(rounds):
        started = time.perf_counter()
        with served(folder) as app:
            listens.append(time.perf_counter() - started)
            opened(browser, app.url).context.close()
            ready.append(time.perf_counter() - started)
    yield result("cold_start_listens", listens, "s", 1.0, "-")
    yield result("cold_start_first_answer", ready, "s", 1.0, "-")


def different(folder: Path, count: int) -> list[Path]:
    """As many clips of 20 s, of other bytes each, so that none is known already."""
    write_clip(folder / "once.mp4", SECONDS)
    clips = []
    for k in range(count):
        clips.append(folder / f"{k}.mp4")
        shutil.copy(folder / "once.mp4", clips[-1])
        with clips[-1].open("ab") as file:
            file.write(b"\0\0\0\x10free" + k.to_bytes(8, "big"))  # a box that every reader skips (ISO 14496-12, 8.1.2)
    return clips


def opened(browser: Browser, url: str) -> Page:
    """The app with the sample read."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(120_000)
    page.goto(url)
    page.locator(".bars li").first.wait_for()
    return page


def uploaded(page: Page, clip: Path) -> tuple[float, float]:
    """Seconds from choosing a clip to the first answer so far, and to the whole."""
    started = time.perf_counter()
    page.locator("[data-testid=stFileUploader] input[type=file]").set_input_files(clip)
    page.locator(".so-far").wait_for()
    first = time.perf_counter() - started
    page.locator(".so-far").wait_for(state="detached")
    page.locator(".bars li").first.wait_for()
    last = time.perf_counter() - started
    page.context.close()
    return first, last
