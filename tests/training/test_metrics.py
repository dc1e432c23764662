"""The metrics come from a library; these tests check that captions and references are passed correctly."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pipeline.analysis.hedging import AnswerRule
from training.evaluate import ItemPrediction, report
from training.metrics import caption_metrics

REFERENCES = [
    ["A dog runs through the snow.", "Two dogs are running in snow"],
    ["A man plays the guitar on a stage", "Somebody plays music on stage"],
    ["Children climb a red rope net", "Kids play on a net"],
]


def test_a_human_caption_of_the_same_picture_scores_higher_than_one_of_another():
    right = caption_metrics([each[0] for each in REFERENCES], REFERENCES)
    wrong = caption_metrics([REFERENCES[k][0] for k in (1, 2, 0)], REFERENCES)
    assert right["BLEU-4"] == pytest.approx(1.0, abs=1e-3)  # capitals and full stops are ignored
    assert right["ROUGE-L"] > 0.9
    assert right["CIDEr"] > 10 * max(wrong["CIDEr"], 0.01)
    assert wrong["BLEU-4"] < 0.1


def test_a_report_is_plain_data_and_names_the_mistakes():
    probabilities = np.array([[0.7, 0.2, 0.1, 0, 0, 0]])
    labels = ["running", "cooking", "talking", "dancing", "singing", "eating"]
    predictions = [
        ItemPrediction("clips", labels[truth], frozenset({truth}), probabilities, unseen=False) for truth in (0, 1, 1)
    ]
    figures = json.loads(json.dumps(report(predictions, AnswerRule(tuple(labels), {}, 0.5))))
    assert figures["confusions"] == [["cooking", "running", 2]]
    assert figures["all"]["top1"] == 0.333
