"""The recogniser that a visitor has taught: theirs alone, kept in their session, and gone with it."""

from __future__ import annotations

from pipeline.models.action import ActionModel
from pipeline.models.recurrent import CELLS
from views.session.resources import CELL_NAMES, action_model
from views.session.visit import TAUGHT, current_visit

RECOGNISER_NAMES = {**CELL_NAMES, TAUGHT: "yours"}
CAPTION_CELL = next(iter(CELLS))  # of the captions beside the answers of a taught recogniser


def recogniser(name: str) -> ActionModel:
    """The shipped recogniser with this cell, or the visitor's own one."""
    taught = current_visit().taught
    return taught.model if name == TAUGHT and taught is not None else action_model(caption_cell(name))


def recogniser_key(name: str) -> str:
    """What the recogniser's predictions are kept under: no other visitor has the same key for another recogniser."""
    taught = current_visit().taught
    return f"taught {taught.token}" if name == TAUGHT and taught is not None else name


def caption_cell(name: str) -> str:
    """The cell of the captioners that go with a recogniser."""
    return name if name in CELLS else CAPTION_CELL
