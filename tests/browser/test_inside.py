from __future__ import annotations

import math
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser


@pytest.fixture
def inside(page, server) -> Iterator[Page]:
    page.goto(f"{server}/inside?sample=drums&cell=gru")
    page.locator(".sums table").wait_for()
    return page


def number(text: str) -> float:
    return float(re.sub(r"[=+\s]", "", text).replace("−", "-"))


def test_the_address_chooses_sample_and_cell(inside):
    expect(inside.locator(".strip .head b").nth(1)).to_have_text("z")  # a GRU has an update gate


def test_the_numbers_on_screen_add_up(inside):
    inside.locator(".contributions button").nth(3).click()
    expect(inside.locator(".contributions button").nth(3)).to_have_attribute("aria-pressed", "true")
    rows = inside.locator(".sums tr").all()[1:]
    assert len(rows) == 3
    for row in rows:
        name, x, h, b, total, squash, value = row.locator("td").all_inner_texts()
        assert number(x) + number(h) + number(b) == pytest.approx(number(total), abs=0.0021)  # four rounded numbers
        squashed = math.tanh(number(total)) if "tanh" in squash else 1 / (1 + math.exp(-number(total)))
        assert squashed == pytest.approx(number(value), abs=0.002), name


def test_the_cursor_moves_the_contributions(inside):
    before = inside.locator(".contributions").inner_text()
    inside.locator(".handle").focus()
    inside.keyboard.press("Home")
    expect(inside.locator(".unroll .when").filter(has_text="After frame 1,")).to_be_visible()
    assert inside.locator(".contributions").inner_text() != before


def test_the_unrolled_cell_folds(inside):
    boxes = inside.locator(".diagram .box")
    assert boxes.count() > 2
    inside.get_by_role("button", name="Fold into one cell").click()
    expect(boxes).to_have_count(1)


def test_at_phone_width_nothing_is_cut_off(chromium, server):
    page = chromium.new_context(viewport={"width": 400, "height": 850}).new_page()
    page.goto(f"{server}/inside")
    page.locator(".sums table").wait_for(timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.context.close()
