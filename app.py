"""Unroll: watch a recurrent network read a video, frame by frame.  Run with: streamlit run app.py"""

from pathlib import Path

import streamlit as st

try:
    import views.hosting.job_queue  # noqa: F401 (reads variables UNROLL_..., and imports what reads the others)
except ValueError as error:  # one of them has a value that is not understood
    st.error(str(error))
    st.stop()

from pipeline.models.checkpoint import CheckpointError
from views import describe, inside, language, models, teach, watch
from views.hosting.sandbox_log import report_sandbox
from views.session.menu import menu
from views.session.visit import open_page

VIEWS = Path(__file__).with_name("views")
report_sandbox()
st.set_page_config(page_title="Unroll", page_icon=VIEWS / "icon.svg", layout="wide")
# Not st.html(): its code is loaded after the first elements are shown, and they would move when the styles come.
st.markdown(f"<style>{(VIEWS / 'page.css').read_text()}</style>", unsafe_allow_html=True)

pages = [
    st.Page(watch.page, title="Watch", icon=":material/play_circle:", default=True),
    st.Page(describe.page, title="Describe", icon=":material/notes:", url_path="describe"),
    st.Page(inside.page, title="Inside", icon=":material/settings_suggest:", url_path="inside"),
    st.Page(teach.page, title="Teach", icon=":material/school:", url_path="teach"),
    st.Page(language.page, title="Language", icon=":material/abc:", url_path="language"),
    st.Page(models.page, title="Models", icon=":material/fact_check:", url_path="models"),
]
page = st.navigation(pages, position="hidden")
menu(pages, open_page(page.url_path))
try:
    page.run()
except CheckpointError as error:  # the weights that were installed; a visitor can do nothing about them
    st.error(str(error), icon=":material/broken_image:")
