"""A file chosen in the page's uploader, and removed again."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page, expect


def upload(page: Page, path: Path) -> None:
    """Choose a file once the page is at rest.

    Streamlit answers the browser's question for an upload address over the queue that it empties when a run of the
    script begins (``ForwardMsgQueue.clear`` keeps five kinds of message, ``file_urls_response`` not among them): a file
    chosen in the instant after a click that reruns the page can be lost, which no hand is quick enough to do.
    """
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    page.locator("[data-testid=stFileUploader] input[type=file]").set_input_files(path)


def remove_upload(page: Page) -> None:
    """Press Remove beside the name of the uploaded file, and see it gone."""
    button = page.locator(".st-key-clip").get_by_role("button", name="Remove")
    button.click()
    expect(button).to_have_count(0)
