"""Hostile files through the page itself, one after the other: each ends in an answer or in a sentence of ours."""

from __future__ import annotations

import hashlib
import re

import pytest
from playwright.sync_api import Locator, Page, expect

from pipeline.media.samples import sample_data
from tests.browser.uploading import remove_upload, upload
from tests.hostile import corpus
from tests.sample_media import no_decoder_is_left

pytestmark = pytest.mark.browser

# Of the damaged copies a few of each way; of the files that were made by hand every one.
FUZZ = re.compile(r"(flipped|cut)-")
SOME_FUZZ = re.compile(r"flipped-[12]-demo\.(webm|png)|flipped-5-carphone|cut-0\.1-demo\.(flv|wmv|jpg|tif)")
CASES = [case for case in corpus.everything() if SOME_FUZZ.match(case[0]) or not FUZZ.match(case[0])]


def answer(page: Page, data: bytes) -> Locator:
    digest = hashlib.sha256(data).hexdigest()
    return page.locator(f".unroll[data-clip='{digest}'] .bars li").first


def sentence(page: Page, name: str) -> Locator:
    return page.locator("[data-testid=stAlert]").filter(has_text=name).first


def test_every_file_ends_in_an_answer_or_a_sentence_and_the_app_goes_on(page, uploads, tmp_path):
    answers = sentences = 0
    for name, data in CASES:
        path = tmp_path / name
        path.write_bytes(data)
        upload(page, path)
        answer(page, data).or_(sentence(page, name)).first.wait_for()
        if answer(page, data).count():
            answers += 1
        else:
            sentences += 1
            assert re.search(rf"{re.escape(name)} .*\.$", sentence(page, name).inner_text()), name
        assert page.locator("[data-testid=stException]").count() == 0, name
        assert page.get_by_text("Traceback").count() == 0, name
    assert answers > 3
    assert sentences > 15
    remove_upload(page)
    expect(answer(page, sample_data("guitar"))).to_be_visible()
    assert not list(uploads.glob("unroll-*"))
    assert no_decoder_is_left()
