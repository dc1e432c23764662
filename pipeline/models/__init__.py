"""Frames become features, states, labels and words: networks, their checkpoints and engines."""

from pipeline.models.action import ActionModel, ActionStep, load_action
from pipeline.models.caption import Caption, CaptionModel, load_caption
from pipeline.models.checkpoint import available
from pipeline.models.encoder import Encoder, FrameFeatures, load_encoder
from pipeline.models.language import LanguageModel, load_language
from pipeline.models.lenet import DigitReader, load_digits

__all__ = [
    "ActionModel",
    "ActionStep",
    "Caption",
    "CaptionModel",
    "DigitReader",
    "Encoder",
    "FrameFeatures",
    "LanguageModel",
    "available",
    "load_action",
    "load_caption",
    "load_digits",
    "load_encoder",
    "load_language",
]
