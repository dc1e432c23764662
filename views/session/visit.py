"""The choices of one visitor, kept for the whole visit: clip, cell and topic.

Streamlit forgets a widget's value, and an uploaded file, as soon as a page without that widget opens. A Visit keeps
both. The address of a page holds all of it that can be shared, and nothing else: defaults are left out, so that every
entry of the browser's history is complete, and Back and Forward need no correction (a correction would be a new entry).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pipeline.media.samples import SAMPLES, sample_data
from pipeline.models.recurrent import CELLS
from pipeline.models.taught import TaughtModel
from views.hosting.uploads import ClipFile, digest_of

TOPICS = ("h e l l o", "letters", "words", "memory", "digits")  # of the page Language
TAUGHT = "taught"  # in place of a cell: the recogniser that the visitor taught
CLIP_PAGES = ("", "describe", "inside")  # URL paths of the pages that show the visitor's clip
LANGUAGE_PAGE = "language"


@dataclass(frozen=True)
class OwnRecogniser:
    """The recogniser that the visitor taught. ``token`` is random, and another one for every recogniser."""

    model: TaughtModel
    token: str


@dataclass
class Visit:
    """What one visitor has chosen. The default is the first sample, the first cell and the first topic."""

    sample: str = next(iter(SAMPLES))
    cell: str = next(iter(CELLS))
    topic: str = TOPICS[0]
    upload: str = ""  # random token of the upload that is shown; "" while a sample is shown
    file: ClipFile | None = None  # the last uploaded file, until another clip is chosen or the session ends
    file_token: str = ""  # the random token of ``file``
    page: str | None = None  # URL path of the page that ran last
    stopped: str = ""  # key of the clip whose encoding the visitor stopped
    uploader: int = 0  # part of the uploader's key: another number makes an empty uploader
    browser_copy: tuple[str, bytes | None] = ("", None)  # digest of a clip, and its copy (None: it cannot be made)
    taught: OwnRecogniser | None = None
    area: tuple[str, int] = ("", 0)  # the clip that the page shows, and which of two places it stands in

    def choose_sample(self, name: str) -> None:
        """Show a sample. It replaces an upload, whose file is dropped."""
        self.sample = name
        self.remove_upload()

    def add_upload(self, data: bytes, name: str) -> None:
        """Show an uploaded file. It replaces the upload before it."""
        self.file = ClipFile(data, name, digest_of(data))
        self.file_token = self.upload = secrets.token_hex(4)
        self.uploader += 1

    def remove_upload(self) -> None:
        """Drop the uploaded file and show the sample that was chosen last."""
        self.file, self.file_token, self.upload = None, "", ""
        self.browser_copy = ("", None)
        self.uploader += 1

    @property
    def recognisers(self) -> list[str]:
        """The names that ``cell`` may have."""
        return [*CELLS, *([TAUGHT] if self.taught else [])]

    def use_taught(self, model: TaughtModel) -> None:
        """Read with this recogniser from now on. It replaces the one before."""
        self.taught, self.cell = OwnRecogniser(model, secrets.token_hex(8)), TAUGHT

    def clip_file(self) -> ClipFile | None:
        """The file of the clip that is shown; None if it is an upload that this session does not hold (a reloaded page,
        somebody else's address). Raises MediaError if the samples are not installed."""
        if not self.upload:
            return sample_file(self.sample)
        return self.file if self.file_token == self.upload else None

    def address(self, page: str) -> dict[str, str]:
        """The query parameters of a page that shows this visit, by the page's URL path."""
        if page in CLIP_PAGES:
            clip = {"upload": self.upload} if self.upload else {"sample": self.sample}
            chosen = {**clip, "cell": self.cell}
        else:
            chosen = {"topic": self.topic} if page == LANGUAGE_PAGE else {}
        defaults = {"sample": Visit.sample, "cell": Visit.cell, "topic": Visit.topic}
        return {name: value for name, value in chosen.items() if value != defaults.get(name)}

    def follow(self, page: str, address: Mapping[str, str]) -> None:
        """Adopt the address of a page. Missing and unknown values mean the defaults; of other pages' choices it says
        nothing."""
        if page in CLIP_PAGES:
            self.upload = address.get("upload", "")
            if not self.upload:
                self.sample = known(address.get("sample"), SAMPLES, Visit.sample)
            self.cell = known(address.get("cell"), dict.fromkeys(self.recognisers), Visit.cell)
        elif page == LANGUAGE_PAGE:
            self.topic = known(address.get("topic"), dict.fromkeys(TOPICS), Visit.topic)


def known(value: str | None, values: Mapping[str, object], default: str) -> str:
    return value if value is not None and value in values else default


@cache
def sample_file(name: str) -> ClipFile:
    """One of the SAMPLES. Raises MediaError if they are not installed."""
    data = sample_data(name)
    return ClipFile(data, f"The sample {name}", digest_of(data))


def current_visit() -> Visit:
    return st.session_state.setdefault("visit", Visit())


def open_page(page: str) -> Visit:
    """The visit, at the beginning of a run of the page with this URL path.

    The address decides at the start of a session (a reload, an address typed or shared) and when the visitor goes Back
    or Forward. Otherwise the visit decides: a link may have been pressed before it carried the last choice.
    """
    visit, context = current_visit(), get_script_run_ctx()
    if visit.page is None or (context is not None and context.is_history_navigation):
        visit.follow(page, st.query_params)
        visit.page = page
    elif page != visit.page:
        visit.page = page
        write_address()
    return visit


def write_address() -> None:
    """Put the visit into the page's address; another address is a new entry in the browser's history."""
    visit = current_visit()
    if visit.page is None:
        return
    address = visit.address(visit.page)
    if {name: value for name, value in st.query_params.items() if name != "step"} != address:
        st.query_params.from_dict(address)
