"""How good generated captions are, by the reference implementation of the usual measures (``pycocoevalcap``)."""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Sequence

import numpy as np

from pipeline.models.vocabulary import tokenize


def caption_metrics(captions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """N captions and each one's human captions -> BLEU-1 to 4, ROUGE-L, CIDEr, and METEOR where Java is installed.

    Both sides are lower-cased and freed of punctuation by the pipeline's own tokenizer, so that a figure does not
    depend on whether the machine has the Java one.
    """
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    said = {n: [plain(caption)] for n, caption in enumerate(captions)}
    wanted = {n: [plain(caption) for caption in each] for n, each in enumerate(references)}
    scorers = {"ROUGE-L": Rouge(), "CIDEr": Cider()}
    if shutil.which("java"):
        from pycocoevalcap.meteor.meteor import Meteor

        scorers["METEOR"] = Meteor()
    with contextlib.redirect_stdout(io.StringIO()):  # the scorers print as they go
        bleu, _ = Bleu(4).compute_score(wanted, said)
        found = {f"BLEU-{n}": value for n, value in enumerate(bleu, 1)}
        found |= {name: scorer.compute_score(wanted, said)[0] for name, scorer in scorers.items()}
    return {name: round(float(value), 4) for name, value in found.items()}


def cider_of_each(captions: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
    """CIDEr of every caption by itself; the rarity of words is that of all the references together."""
    from pycocoevalcap.cider.cider import Cider

    said = {n: [plain(caption)] for n, caption in enumerate(captions)}
    wanted = {n: [plain(caption) for caption in each] for n, each in enumerate(references)}
    return [float(value) for value in Cider().compute_score(wanted, said)[1]]


class CaptionReward:
    """CIDEr of single captions, with the rarity of words fixed by a set of training references."""

    def __init__(self, references: Sequence[Sequence[str]]) -> None:
        from pycocoevalcap.cider.cider_scorer import CiderScorer

        corpus = CiderScorer()
        for each in references:
            corpus.cook_append(None, [plain(caption) for caption in each])
        corpus.compute_doc_freq()
        size = float(np.log(len(references)))

        class FixedCorpus(CiderScorer):
            # The scorer sets this to the size of what is being scored; it must be that of the corpus.
            ref_len = property(lambda self: size, lambda self, value: None)

        self._scorer, self._rarity = FixedCorpus, corpus.document_frequency

    def of(self, captions: Sequence[str], references: Sequence[Sequence[str]]) -> np.ndarray:
        """(N,) float32."""
        scorer = self._scorer()
        scorer.document_frequency = self._rarity
        for caption, each in zip(captions, references, strict=True):
            scorer.cook_append(plain(caption), [plain(other) for other in each])
        return np.array(scorer.compute_cider(), np.float32)


def plain(caption: str) -> str:
    return " ".join(tokenize(caption))
