"""Caption metrics, by their reference implementation (``pycocoevalcap``)."""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Sequence

import numpy as np

from pipeline.models.vocabulary import tokenize


def caption_metrics(captions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """BLEU-1 to 4, ROUGE-L and CIDEr of N captions, given the human captions of each; METEOR if Java is installed.

    Captions and references are lower-cased and stripped of punctuation by the pipeline's own tokenizer, so the figures
    do not depend on the Java tokenizer of ``pycocoevalcap``.
    """
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    hypotheses, truth = _tables(captions, references)
    scorers = {"ROUGE-L": Rouge(), "CIDEr": Cider()}
    if shutil.which("java"):
        from pycocoevalcap.meteor.meteor import Meteor

        scorers["METEOR"] = Meteor()
    with contextlib.redirect_stdout(io.StringIO()):  # the scorers print their progress
        bleu, _ = Bleu(4).compute_score(truth, hypotheses)
        scores = {f"BLEU-{n}": value for n, value in enumerate(bleu, 1)}
        scores |= {name: scorer.compute_score(truth, hypotheses)[0] for name, scorer in scorers.items()}
    return {name: round(float(value), 4) for name, value in scores.items()}


def cider_per_caption(captions: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
    """CIDEr of every caption. Document frequencies are counted over all references."""
    from pycocoevalcap.cider.cider import Cider

    hypotheses, truth = _tables(captions, references)
    return [float(value) for value in Cider().compute_score(truth, hypotheses)[1]]


class CaptionReward:
    """CIDEr of single captions, with document frequencies fixed by a set of training references."""

    def __init__(self, references: Sequence[Sequence[str]]) -> None:
        from pycocoevalcap.cider.cider_scorer import CiderScorer

        corpus = CiderScorer()
        for captions in references:
            corpus.cook_append(None, [normalise_caption(caption) for caption in captions])
        corpus.compute_doc_freq()
        log_size = float(np.log(len(references)))

        class FixedCorpusScorer(CiderScorer):
            # The scorer sets this to the number of captions it scores; it must be that of the fixed corpus.
            ref_len = property(lambda self: log_size, lambda self, value: None)

        self._scorer, self._document_frequency = FixedCorpusScorer, corpus.document_frequency

    def score(self, captions: Sequence[str], references: Sequence[Sequence[str]]) -> np.ndarray:
        """The reward of each caption, given its own references, (N,) float32."""
        scorer = self._scorer()
        scorer.document_frequency = self._document_frequency
        for caption, own in zip(captions, references, strict=True):
            scorer.cook_append(normalise_caption(caption), [normalise_caption(reference) for reference in own])
        return np.array(scorer.compute_cider(), np.float32)


def normalise_caption(caption: str) -> str:
    """Lower case, without punctuation."""
    return " ".join(tokenize(caption))


def _tables(
    captions: Sequence[str], references: Sequence[Sequence[str]]
) -> tuple[dict[int, list[str]], dict[int, list[str]]]:
    """Captions and references in the form that ``pycocoevalcap`` reads: index -> sentences."""
    hypotheses = {n: [normalise_caption(caption)] for n, caption in enumerate(captions)}
    return hypotheses, {n: [normalise_caption(reference) for reference in own] for n, own in enumerate(references)}
