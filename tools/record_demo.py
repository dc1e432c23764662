"""Records the moving picture of README.md from the running app.

    python -m tools.record_demo [--out docs/demo.webp]

The app reads a sample clip in a real Chromium; the cursor moves over the film strip, and then the frames are played
backwards. Needs Chromium and the packages of requirements-dev.txt.
"""

from __future__ import annotations

import argparse
import tempfile
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from tools.app_server import CHROMIUM, FLAGS, served

SAMPLE = "drums"
SIZE = {"width": 1180, "height": 860}  # pixels of the browser's window
WIDTH = 880  # pixels of the picture
STEP, REST = 120, 1400  # milliseconds that a picture stands: while the cursor moves, and at the end of a scene


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/demo.webp"))
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as app, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport=SIZE)
        page.goto(f"{app.url}/?sample={SAMPLE}")
        page.locator(".bars li").first.wait_for()
        page.wait_for_timeout(2000)
        pictures = scenes(page)
        browser.close()
    images, durations = zip(*pictures, strict=True)
    images[0].save(out, save_all=True, append_images=images[1:], duration=list(durations), loop=0, quality=70, method=6)
    print(f"{out}: {len(images)} pictures, {out.stat().st_size / 1e6:.2f} MB")


def scenes(page: Page) -> list[tuple[Image.Image, int]]:
    """Pictures of the page, each with its time in milliseconds."""
    pictures = [(picture(page), REST)]
    slider = page.locator("[data-part=timeline] [role=slider]").first
    slider.scroll_into_view_if_needed()
    slider.focus()
    page.keyboard.press("Home")
    page.wait_for_timeout(200)
    pictures.append((picture(page), REST))
    for _ in range(int(slider.get_attribute("aria-valuemax") or 20)):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(60)
        pictures.append((picture(page), STEP))
    pictures.append((picture(page), REST))
    page.get_by_text("backwards", exact=True).click()
    page.locator("[data-part=comparison]").first.wait_for()
    page.locator("[data-part=comparison]").first.scroll_into_view_if_needed()
    page.wait_for_timeout(800)
    return [*pictures, (picture(page), 2 * REST)]


def picture(page: Page) -> Image.Image:
    image = Image.open(BytesIO(page.screenshot())).convert("RGB")
    return image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
