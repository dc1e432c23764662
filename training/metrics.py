"""How good generated captions are, by the reference implementation of the usual measures (``pycocoevalcap``)."""

from __future__ import annotations

import contextlib
import io
import shutil
from collections.abc import Sequence

from pipeline.vocabulary import tokenize


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


def plain(caption: str) -> str:
    return " ".join(tokenize(caption))
