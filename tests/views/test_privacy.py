"""One sentence about what is kept of an upload: the same in the app, the README and the document for hosts."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit import config

from views.components.input_controls import PRIVACY

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("document", ["README.md", "docs/hosting.md"])
def test_the_documents_hold_the_sentence_of_the_app(document):
    assert PRIVACY in " ".join((ROOT / document).read_text().split())


def test_streamlit_holds_a_closed_session_as_long_as_the_sentence_says():
    assert config.get_option("server.disconnectedSessionTTL") == 120
    assert "for two minutes" in PRIVACY
