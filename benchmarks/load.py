"""The app under load by several visitors at once: errors, answers per minute, waiting time and memory.

    python -m benchmarks.load [--visitors 8] [--uploads 100]

The app runs in a separate process. Each visitor is a browser session that uploads a file, waits for its answer and
uploads the next. All files differ, so no answer comes from a cache. The exit status is 1 if an upload had no answer, or
if a file or a decoder process remains at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright
from playwright.async_api import Error as BrowserError

from benchmarks.memory import Memory, descendants
from benchmarks.variants import different_files
from tools.app_server import CHROMIUM, FLAGS, Served, served

WHOLE_LIMIT = 15 * 60  # seconds for all uploads together
UPLOAD_LIMIT = 90  # seconds from choosing a file to its answer
EARLY = 10  # memory after so many uploads is compared with memory at the end
FIRST = "the first prediction"
ERRORS = "[data-testid=stAlert], [data-testid=stException]"


# ── Visitors ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Uploads:
    """The files that are still to be uploaded; waiting times and errors of the others."""

    def __init__(self, files: list[Path], memory: Memory) -> None:
        self.waiting, self.count, self._memory = iter(files), len(files), memory
        self.seconds: list[float] = []
        self.errors: list[str] = []

    def answered(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if len(self.seconds) in (1, EARLY, self.count):
            self._memory.record(f"upload {len(self.seconds)}")


async def all_visits(app: Served, uploads: Uploads, memory: Memory, visitors: int) -> float:
    """Run all visits. Returns the seconds from the first upload to the last answer."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            pages = [await opened(browser, app.url)]
            memory.record(FIRST)
            pages += [await opened(browser, app.url) for _ in range(visitors - 1)]
            started = time.perf_counter()
            try:
                async with asyncio.timeout(WHOLE_LIMIT):
                    await asyncio.gather(*(visit(page, uploads) for page in pages))
            except TimeoutError:
                uploads.errors.append(f"not done after {WHOLE_LIMIT} s")
            return time.perf_counter() - started
        finally:
            await browser.close()


async def opened(browser: Browser, url: str) -> Page:
    """The app in a new browser session, after the prediction for the sample is on the page."""
    page = await (await browser.new_context(viewport={"width": 1000, "height": 700})).new_page()
    page.set_default_timeout(1000 * UPLOAD_LIMIT)
    await page.goto(url)
    await page.locator(".bars li").first.wait_for()
    return page


async def visit(page: Page, uploads: Uploads) -> None:
    """Upload one file after the other until none is left. After an error the app is opened again."""
    start = page.url
    for path in uploads.waiting:
        try:
            await page.locator("[data-test-script-state=notRunning]").wait_for()  # see tests/browser/uploading.py
            started = time.perf_counter()
            await answer(page, path)
            uploads.answered(time.perf_counter() - started)
        except (BrowserError, AssertionError) as error:
            uploads.errors.append(f"{path.name}: {str(error).splitlines()[0]}")
            await page.goto(start)


async def answer(page: Page, path: Path) -> None:
    """Upload the file and wait for its answer. The page gives the digest of the file that an answer belongs to."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    await page.locator("[data-testid=stFileUploader] input[type=file]").set_input_files(path)
    await page.locator(f".unroll[data-clip='{digest}'] .bars li, {ERRORS}").first.wait_for()
    if await page.locator(ERRORS).count():
        raise AssertionError(await page.locator(ERRORS).first.inner_text())


# ── The report ───────────────────────────────────────────────────────────────────────────────────────────────────


def leftovers(app: Served, folder: Path) -> list[str]:
    """Folders of uploads and decoder processes (children of the server's children) that remain after a second."""
    time.sleep(1)
    folders = [f"the folder {path.name}" for path in folder.glob("unroll-*")]
    return folders + [f"the decoder {child}" for server in descendants(app.pid) for child in descendants(server)]


def report(uploads: Uploads, memory: Memory, seconds: float) -> Iterator[str]:
    errors = uploads.count - len(uploads.seconds)
    yield f"{'uploads':32} {uploads.count:6}"
    yield f"{'errors':32} {errors:6}"
    yield f"{'answers per minute':32} {60 * len(uploads.seconds) / seconds:6.1f}"
    if len(uploads.seconds) > 1:
        yield f"{'median wait for an answer':32} {statistics.median(uploads.seconds):6.1f} s"
        yield f"{'95th percentile':32} {statistics.quantiles(uploads.seconds, n=20)[-1]:6.1f} s"
    yield f"{'resident memory':32} {'server':>6}    {'children':>8}"
    for moment, (server, children) in {**memory.recorded, "peak": memory.peak}.items():
        yield f"  {'after ' * (moment != 'peak') + moment:30} {server:6.0f} MB {children:8.0f} MB"
    early, late = (memory.recorded.get(f"upload {n}") for n in (EARLY, uploads.count))
    if early and late and uploads.count > EARLY:
        yield f"{f'upload {uploads.count} / upload {EARLY}':32} {late[0] / early[0]:6.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=8)
    parser.add_argument("--uploads", type=int, default=100)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as files, tempfile.TemporaryDirectory() as folder:
        clips = different_files(args.uploads, Path(files))
        with served(Path(folder)) as app, Memory(app.pid) as memory:
            uploads = Uploads(clips, memory)
            seconds = asyncio.run(all_visits(app, uploads, memory, args.visitors))
            errors = uploads.errors + leftovers(app, Path(folder))
    print(*report(uploads, memory, seconds), *errors, sep="\n")
    sys.exit(1 if errors else 0)


if __name__ == "__main__":
    main()
