"""The figure of a clip whose answer is a sum, on the page that the command explain writes."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from pipeline.__main__ import main

pytestmark = pytest.mark.browser


@pytest.mark.usefixtures("hesitating")
@pytest.mark.parametrize("width", [1280, 400])
def test_a_sum_is_named_above_the_labels_that_add_up_to_it(chromium, bikes, lstm, tmp_path, width):
    assert main(["explain", str(bikes), "--out", str(tmp_path / "gym.html")]) == 0
    page = chromium.new_context(viewport={"width": width, "height": 900}).new_page()
    page.goto((tmp_path / "gym.html").as_uri())
    expect(page.locator(".label")).to_have_text("working out")
    expect(page.locator(".number small")).to_have_text(f"sum of {1 + len(lstm.finer['working out'])} labels")
    bars = page.locator(".bars li")
    expect(bars).to_have_count(5)
    assert bars.locator(".name").all_inner_texts()[:3] == ["doing squats", "doing lunges", "dancing"]
    marks = bars.evaluate_all("all => all.map(bar => getComputedStyle(bar, '::before').backgroundColor)")
    name = page.locator(".legend li", has_text="working out (sum)")
    colour = name.locator(".dot").evaluate("dot => getComputedStyle(dot).backgroundColor")
    assert [mark == colour for mark in marks[:3]] == [True, True, False]
    expect(page.locator(".readout")).to_contain_text("working out")
    expect(page.locator(".notes")).to_contain_text("Labels of one kind")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.context.close()


def test_a_photo_without_sums_says_nothing_of_them(chromium, cat, tmp_path):
    assert main(["explain", str(cat), "--out", str(tmp_path / "cat.html")]) == 0
    page = chromium.new_context().new_page()
    page.goto((tmp_path / "cat.html").as_uri())
    expect(page.locator(".bars li")).to_have_count(5)
    expect(page.locator(".number small, .bars .part, .bars.summed")).to_have_count(0)
    assert "sum" not in page.locator(".legend, .notes").first.inner_text()
    page.context.close()
