"""What the app does under load: errors, answers a minute, waiting and memory, with several visitors at once.

    python -m benchmarks.load [--visitors 8] [--uploads 100]

The app runs as a process of its own; each visitor is a browser session that chooses a file, waits for its answer and
chooses the next. All files differ, so that none is answered from what the app remembers. It ends with an error status
if an upload was not answered, or if a file or a decoder was left.
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
EARLY = 10  # uploads after which memory is compared with its end
FIRST = "the first prediction"
WRONG = "[data-testid=stAlert], [data-testid=stException]"


# ── Visitors ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Uploads:
    """The files that wait to be chosen, and what became of the others."""

    def __init__(self, files: list[Path], memory: Memory) -> None:
        self.waiting, self.count, self._memory = iter(files), len(files), memory
        self.seconds: list[float] = []
        self.wrong: list[str] = []

    def answered(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if len(self.seconds) in (1, EARLY, self.count):
            self._memory.note(f"upload {len(self.seconds)}")


async def all_visits(app: Served, uploads: Uploads, memory: Memory, visitors: int) -> float:
    """Every visitor's uploads; -> the seconds that they took, from the first one's choosing of a file."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            pages = [await opened(browser, app.url)]
            memory.note(FIRST)
            pages += [await opened(browser, app.url) for _ in range(visitors - 1)]
            started = time.perf_counter()
            try:
                async with asyncio.timeout(WHOLE_LIMIT):
                    await asyncio.gather(*(visit(page, uploads) for page in pages))
            except TimeoutError:
                uploads.wrong.append(f"not done after {WHOLE_LIMIT} s")
            return time.perf_counter() - started
        finally:
            await browser.close()


async def opened(browser: Browser, url: str) -> Page:
    """The app in a session of its own, with the sample read."""
    page = await (await browser.new_context(viewport={"width": 1000, "height": 700})).new_page()
    page.set_default_timeout(1000 * UPLOAD_LIMIT)
    await page.goto(url)
    await page.locator(".bars li").first.wait_for()
    return page


async def visit(page: Page, uploads: Uploads) -> None:
    """One file after the other until none is left; a page that shows an error is opened anew."""
    for path in uploads.waiting:
        started = time.perf_counter()
        try:
            await answer(page, path)
            uploads.answered(time.perf_counter() - started)
        except (BrowserError, AssertionError) as error:
            uploads.wrong.append(f"{path.name}: {str(error).splitlines()[0]}")
            await page.reload()


async def answer(page: Page, path: Path) -> None:
    """Choose the file and wait for the answer that is its own: the page says by its digest whose an answer is."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    await page.locator("[data-testid=stFileUploader] input[type=file]").set_input_files(path)
    await page.locator(f".unroll[data-clip='{digest}'] .bars li, {WRONG}").first.wait_for()
    if await page.locator(WRONG).count():
        raise AssertionError(await page.locator(WRONG).first.inner_text())


# ── The report ───────────────────────────────────────────────────────────────────────────────────────────────────


def left_behind(app: Served, folder: Path) -> list[str]:
    """Uploads' folders, and decoders: the children of the server's children. They have a moment to end."""
    time.sleep(1)
    found = [f"the folder {path.name}" for path in folder.glob("unroll-*")]
    return found + [f"the decoder {child}" for server in descendants(app.pid) for child in descendants(server)]


def report(uploads: Uploads, memory: Memory, seconds: float) -> Iterator[str]:
    errors = uploads.count - len(uploads.seconds)
    yield f"{'uploads':32} {uploads.count:6}"
    yield f"{'errors':32} {errors:6}"
    yield f"{'answers a minute':32} {60 * len(uploads.seconds) / seconds:6.1f}"
    if len(uploads.seconds) > 1:
        yield f"{'median wait for an answer':32} {statistics.median(uploads.seconds):6.1f} s"
        yield f"{'95th percentile':32} {statistics.quantiles(uploads.seconds, n=20)[-1]:6.1f} s"
    yield f"{'resident memory':32} {'server':>6}    {'children':>8}"
    for moment, (server, children) in {**memory.noted, "peak": memory.peak}.items():
        yield f"  {'after ' * (moment != 'peak') + moment:30} {server:6.0f} MB {children:8.0f} MB"
    early, late = (memory.noted.get(f"upload {n}") for n in (EARLY, uploads.count))
    if early and late and uploads.count > EARLY:
        yield f"{f'upload {uploads.count} / upload {EARLY}':32} {late[0] / early[0]:6.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=8)
    parser.add_argument("--uploads", type=int, default=100)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as files, tempfile.TemporaryDirectory() as folder:
        clips = different_files(wanted.uploads, Path(files))
        with served(Path(folder)) as app, Memory(app.pid) as memory:
            uploads = Uploads(clips, memory)
            seconds = asyncio.run(all_visits(app, uploads, memory, wanted.visitors))
            wrong = uploads.wrong + left_behind(app, Path(folder))
    print(*report(uploads, memory, seconds), *wrong, sep="\n")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
