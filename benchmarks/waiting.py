"""Waiting times of a visitor in a real browser: the page after the start of the app, and the answer to an upload."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.clips import write_clip
from benchmarks.end_to_end import SECONDS
from benchmarks.results import Result, result
from tools.app_server import CHROMIUM, FLAGS, served

FIRST_ANSWER_LIMIT = 1.0  # seconds


def measure(rounds: int) -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        clips = different_clips(Path(folder), rounds + 1)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield from cold(Path(folder), browser, rounds)
            yield from parts(rounds)
            with served(Path(folder)) as app:
                waits = [uploaded(opened(browser, app.url), clip) for clip in clips][1:]  # the first one warms it up
        finally:
            browser.close()
    first, last = zip(*waits, strict=True)
    yield result(
        "first_prediction_on_page",
        first,
        "s",
        FIRST_ANSWER_LIMIT / sorted(first)[len(first) // 2],
        "1 s after choosing",
    )
    yield result("answer_on_page", last, "s", SECONDS / sorted(last)[len(last) // 2], "the length of the clip")


PARTS = """
import json, time
marks = [time.perf_counter()]
def mark(): marks.append(time.perf_counter())
import streamlit; mark()
import torch; mark()
import views.watch, views.describe, views.inside, views.language, views.models; mark()
from pipeline.models.encoder import load_encoder; encoder = load_encoder(); mark()
from pipeline.models.action import load_action; from pipeline.models.caption import load_caption
load_action("lstm"); load_caption("clip", "lstm"); mark()
from pipeline.media.reader import read_clip; from pipeline.media.samples import BIKES, source_path
list(encoder.encode_frames(read_clip(source_path(BIKES)))); mark()
print(json.dumps([b - a for a, b in zip(marks, marks[1:])]))
"""
NAMES = ("importing_streamlit", "importing_torch", "importing_the_app", "loading_the_cnn", "loading_heads", "a_sample")


def parts(rounds: int) -> Iterator[Result]:
    """The parts of a cold start, one after the other, in a separate process."""
    line = [sys.executable, "-W", "ignore", "-c", PARTS]
    runs = [json.loads(subprocess.run(line, capture_output=True, check=True).stdout) for _ in range(rounds)]
    for name, seconds in zip(NAMES, zip(*runs, strict=True), strict=True):
        yield result(
            f"cold_{name}",
            seconds,
            "s",
            statistics.median(seconds) / sum(map(statistics.median, zip(*runs, strict=True))),
            "all these parts",
        )


def cold(folder: Path, browser: Browser, rounds: int) -> Iterator[Result]:
    """From the start of the process until it listens, and until the sample's answer is on the first page."""
    listens, ready = [], []
    for _ in range(rounds):
        started = time.perf_counter()
        with served(folder) as app:
            listens.append(time.perf_counter() - started)
            opened(browser, app.url).context.close()
            ready.append(time.perf_counter() - started)
    yield result("cold_start_listens", listens, "s", 1.0, "-")
    yield result("cold_start_first_answer", ready, "s", 1.0, "-")


def different_clips(folder: Path, count: int) -> list[Path]:
    """``count`` clips of 20 s with different bytes, so that no answer comes from a cache."""
    write_clip(folder / "once.mp4", SECONDS)
    clips = []
    for k in range(count):
        clips.append(folder / f"{k}.mp4")
        shutil.copy(folder / "once.mp4", clips[-1])
        with clips[-1].open("ab") as file:
            file.write(b"\0\0\0\x10free" + k.to_bytes(8, "big"))  # a box that every reader skips (ISO 14496-12, 8.1.2)
    return clips


def opened(browser: Browser, url: str) -> Page:
    """The app, after the prediction for the sample is on the page."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(120_000)
    page.goto(url)
    page.locator(".bars li").first.wait_for()
    return page


def uploaded(page: Page, clip: Path) -> tuple[float, float]:
    """Seconds from choosing a clip to the first prediction, and to the final one."""
    started = time.perf_counter()
    page.locator("[data-testid=stFileUploader] input[type=file]").set_input_files(clip)
    stop = page.get_by_role("button", name="Stop", exact=True)
    stop.wait_for()  # the clip before is gone
    page.locator(".film img").first.wait_for()
    first = time.perf_counter() - started
    page.get_by_text("After all").wait_for()
    last = time.perf_counter() - started
    page.context.close()
    return first, last
