"""Teach a recogniser one's own actions from a few clips of each."""

from pipeline.teaching.examples import Example, TeachingError, example_of
from pipeline.teaching.judging import Judgement
from pipeline.teaching.lesson import Lesson, learn, teach
from pipeline.teaching.taught_file import TaughtFileError, load_taught, save_taught

__all__ = [
    "Example",
    "Judgement",
    "Lesson",
    "TaughtFileError",
    "TeachingError",
    "example_of",
    "learn",
    "load_taught",
    "save_taught",
    "teach",
]
