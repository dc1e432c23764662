from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


@pytest.fixture
def language(page, server) -> Iterator[Page]:
    page.goto(f"{server}/language")
    page.locator(".figure").wait_for()
    return page


def topic(page: Page, name: str) -> None:
    page.get_by_role("radio", name=name, exact=True).click()


def loss(page: Page) -> float:
    return float(re.search(r"loss ([\d.]+)", page.locator(".loss").inner_text())[1])


def test_hello_is_learned_while_one_watches(language):
    before = loss(language)
    language.get_by_role("button", name="Train", exact=True).click()
    expect(language.locator(".says")).to_have_text("fed with h it writes: hello", timeout=15_000)
    expect(language.get_by_role("button", name="Train", exact=True)).to_be_visible(timeout=15_000)
    assert loss(language) < before / 5
    language.get_by_role("button", name="Reset").click()
    expect(language.locator(".loss")).to_contain_text("after 0 steps")


def test_a_weight_changed_by_hand_changes_the_output(language):
    scores = language.locator(".cell.output").first
    before = scores.inner_text()
    language.get_by_label("Wxh, row 1, column 1").fill("2.5")
    assert scores.inner_text() != before


def test_a_word_unfolds_letter_by_letter(language):
    topic(language, "letters")
    box = language.get_by_label("Begin a word")
    box.fill("langua")
    box.press("Enter")
    expect(language.locator(".so-far").last).to_have_text("langua")
    expect(language.locator(".column")).to_have_count(7)
    expect(language.get_by_text("language", exact=True)).to_be_visible()


def test_a_word_that_is_pressed_joins_the_sentence(language):
    topic(language, "words")
    language.get_by_role("button", name=re.compile(r"^snow ")).click()
    expect(language.get_by_label("Begin a sentence")).to_have_value("the clouds are in the snow")
    expect(language.locator(".so-far").last).to_have_text("the clouds are in the snow")


def test_memory_is_asked_of_all_three_cells(language):
    topic(language, "memory")
    expect(language.get_by_text("How often each cell is right")).to_be_visible()
    expect(language.locator("[data-testid=stMetricValue]")).to_have_count(3)


def test_a_written_digit_is_read(language):
    topic(language, "digits")
    language.get_by_role("button", name="Write a 3").click()
    expect(language.locator("h3").filter(has_text=re.compile(r"^3"))).to_be_visible()


@pytest.mark.parametrize("name", ["h e l l o", "letters", "words", "memory", "digits"])
def test_at_phone_width_nothing_is_cut_off(chromium, server, name):
    page = chromium.new_context(viewport={"width": 400, "height": 850}).new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{server}/language")
    page.locator(".figure").wait_for()
    topic(page, name)
    page.wait_for_timeout(1500)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.context.close()
