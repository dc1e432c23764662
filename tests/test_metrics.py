"""The measures are a library's; what is checked is that they are fed the right way round."""

from __future__ import annotations

import pytest

from training.metrics import caption_metrics

REFERENCES = [
    ["A dog runs through the snow.", "Two dogs are running in snow"],
    ["A man plays the guitar on a stage", "Somebody plays music on stage"],
    ["Children climb a red rope net", "Kids play on a net"],
]


def test_a_human_caption_scores_high_and_anothers_low():
    right = caption_metrics([each[0] for each in REFERENCES], REFERENCES)
    wrong = caption_metrics([REFERENCES[k][0] for k in (1, 2, 0)], REFERENCES)
    assert right["BLEU-4"] == pytest.approx(1.0, abs=1e-3)  # capitals and full stops count for nothing
    assert right["ROUGE-L"] > 0.9
    assert right["CIDEr"] > 10 * max(wrong["CIDEr"], 0.01)
    assert wrong["BLEU-4"] < 0.1
