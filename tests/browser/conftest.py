"""A real server and a real headless Chromium for the tests in this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tools.app_server import CHROMIUM, FLAGS, served

expect.set_options(timeout=60_000)  # how fast the machine is, is not what is tested


@pytest.fixture(scope="session")
def uploads(tmp_path_factory) -> Path:
    """Where the server puts its temporary files."""
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="session")
def server(uploads) -> Iterator[str]:
    with served(uploads) as app:
        yield app.url


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium here; on Debian or Ubuntu: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, server) -> Iterator[Page]:
    """The app, open, with the first sample read."""
    page = chromium.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(60_000)
    page.goto(server)
    page.locator(".bars li").first.wait_for()
    yield page
    page.context.close()


@pytest.fixture(scope="session")
def short_clips(concert, tmp_path_factory) -> tuple[Path, Path]:
    """Two pieces of the concert, a few seconds each, that browsers play: the clips of a visitor in a hurry."""
    folder = tmp_path_factory.mktemp("short")
    return cut(concert, 0, 4, folder / "opening.mp4"), cut(concert, 30, 34, folder / "middle.mp4")


def cut(source: Path, start: float, end: float, target: Path) -> Path:
    """The packets of a video from the key frame before ``start`` to ``end`` (seconds), copied as they are."""
    with av.open(str(source)) as reader, av.open(str(target), "w") as writer:
        video = reader.streams.video[0]
        stream = writer.add_stream_from_template(video)
        reader.seek(int(start * av.time_base))
        first = None
        for packet in reader.demux(video):
            if packet.dts is None or float(packet.pts * packet.time_base) > end:
                break
            first = packet.dts if first is None else first
            packet.pts, packet.dts, packet.stream = packet.pts - first, packet.dts - first, stream
            writer.mux(packet)
    return target
