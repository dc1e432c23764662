"""The networks and the job queue, loaded once a process and shared by all visitors."""

from __future__ import annotations

import streamlit as st

from pipeline.models.action import ActionModel, load_action
from pipeline.models.caption import CaptionModel, load_caption
from pipeline.models.encoder import Encoder, load_encoder
from pipeline.models.language import LanguageModel, load_language
from pipeline.models.lenet import DigitReader, load_digits
from views.hosting.job_queue import JOBS_AT_ONCE, MAX_QUEUE, JobQueue
from views.hosting.malloc import release_free_memory

CELL_NAMES = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}


@st.cache_resource(show_spinner=False)
def encoder() -> Encoder:
    loaded = load_encoder()
    release_free_memory()
    return loaded


@st.cache_resource(show_spinner=False)
def action_model(cell: str) -> ActionModel:
    return load_action(cell)


@st.cache_resource(show_spinner=False)
def caption_model(kind: str, cell: str) -> CaptionModel:
    return load_caption(kind, cell)


@st.cache_resource(show_spinner=False)
def language_model(name: str, cell: str) -> LanguageModel:
    return load_language(name, cell)


@st.cache_resource(show_spinner=False)
def digit_reader() -> DigitReader:
    return load_digits()


@st.cache_resource(show_spinner=False)
def job_queue() -> JobQueue:
    return JobQueue(JOBS_AT_ONCE, MAX_QUEUE)
