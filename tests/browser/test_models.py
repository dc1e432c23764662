from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from pipeline.models.checkpoint import WEIGHTS, load_card

pytestmark = pytest.mark.browser

CARD = load_card(WEIGHTS / "action-lstm")


@pytest.fixture
def models(page, server) -> Page:
    page.goto(f"{server}/models")
    page.locator(".search").wait_for()
    return page


def shown(page: Page) -> Locator:
    return page.locator("details li:visible")


def names(labels: Locator) -> set[str]:
    """The labels, without the number of finer ones."""
    return set(labels.evaluate_all("all => all.map(e => (e.querySelector('.broad') ?? e).firstChild.textContent)"))


def test_all_labels_are_listed_by_group(models):
    assert names(models.locator("details li")) == set(CARD["labels"])
    expect(shown(models)).to_have_count(0)  # many labels: every group is closed until it is pressed
    groups = models.locator("details:visible summary")
    assert [text.rsplit(" ", 1)[0] for text in groups.all_inner_texts() if text] >= list(CARD["groups"])


def test_a_search_finds_labels_by_their_name_their_group_and_a_broader_label(models):
    search = models.locator(".search")
    search.fill("PLAYING che")
    expect(shown(models)).to_have_text(["playing chess"])
    expect(models.get_by_role("status").filter(has_text="1 of")).to_be_visible()
    search.fill("working out")
    assert names(shown(models)) == {"working out", *CARD["finer"]["working out"]}
    search.fill("animals")
    assert names(shown(models)) == set(CARD["groups"]["Animals"])
    search.fill("quantum mechanics")
    expect(shown(models)).to_have_count(0)
    expect(models.get_by_text("No label fits")).to_be_visible()
    search.fill("")
    expect(models.locator("details li:not([hidden])")).to_have_count(len(CARD["labels"]))


def test_a_broad_label_shows_its_finer_ones(models):
    models.locator("summary", has_text="Riding, driving and flying").click()
    models.locator(".broad", has_text="driving a car").click()
    assert names(shown(models)) == {"driving a car", *CARD["finer"]["driving a car"]}
    expect(models.locator(".search")).to_have_value("driving a car")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_at_phone_width_no_label_is_cut_off(chromium, server, scheme):
    page = chromium.new_context(viewport={"width": 400, "height": 850}, color_scheme=scheme).new_page()
    page.goto(f"{server}/models")
    page.locator(".search").wait_for(timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    boxes = page.locator("details li").evaluate_all("all => all.map(e => e.getBoundingClientRect().toJSON())")
    assert all(box["left"] >= 0 and box["right"] <= 400 for box in boxes)
    page.context.close()
