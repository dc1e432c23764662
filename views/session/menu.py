"""The links to all pages. Each carries the visit in its address: the page that opens shows the same clip and cell."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.navigation.page import Page

from views.session.visit import Visit


def menu(pages: Sequence[Page], visit: Visit) -> None:
    """One row of links. Streamlit's own menu drops the address of the page that is left, so its links cannot carry
    the visit."""
    with st.container(key="menu", horizontal=True, gap="small"):
        for page in pages:
            st.page_link(page, icon=page.icon, width="content", query_params=visit.address(page.url_path))
