"""A real server and a real headless Chromium for the tests in this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

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
