"""A visitor who stops the reading, or leaves in the middle of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_visit import click_to
from tests.browser.uploading import remove_upload, upload
from tests.sample_media import decoders, wait_until

pytestmark = pytest.mark.browser


def begin(page: Page, path: Path) -> None:
    upload(page, path)
    page.get_by_role("button", name="Stop", exact=True).wait_for()
    wait_until(lambda: len(decoders()) == 1)


def test_stop_ends_the_work_and_it_can_be_taken_up_again(page, uploads, slow_clip):
    begin(page, slow_clip)
    page.get_by_role("button", name="Stop", exact=True).click()
    again = page.get_by_role("button", name="Read it after all")
    again.wait_for()
    expect(page.get_by_test_id("stAlert")).to_contain_text(f"You stopped the reading of {slow_clip.name}")
    expect(page.locator(".unroll[data-clip]")).to_have_count(0)  # nothing of the clip before
    click_to(page, "D")
    expect(page.get_by_test_id("stAlert")).to_contain_text(f"You stopped the reading of {slow_clip.name}")
    wait_until(lambda: not decoders() and not list(uploads.glob("unroll-*")))
    again.click()
    wait_until(lambda: len(decoders()) == 1)
    page.get_by_role("button", name="Stop", exact=True).click()
    again.wait_for()
    remove_upload(page)
    expect(page.locator(".sentence .word").first).to_be_visible()  # the sample is there again


def test_the_work_of_a_visitor_who_left_is_dropped(chromium, server, uploads, slow_clip):
    page = chromium.new_context().new_page()
    page.set_default_timeout(60_000)
    page.goto(server)
    page.locator(".bars li").first.wait_for()
    begin(page, slow_clip)
    page.context.close()
    wait_until(lambda: not decoders() and not list(uploads.glob("unroll-*")))
