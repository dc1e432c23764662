"""Vocabulary: tokens and their ids."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

END, START, UNKNOWN = range(3)
SPECIAL = ("<end>", "<start>", "<unknown>")


def tokenize(sentence: str) -> list[str]:
    """Lower-case words and numbers; a hyphen or apostrophe inside a word is kept, other marks are dropped."""
    return re.findall(r"[a-z0-9]+(?:[-'][a-z0-9]+)*", sentence.lower())


class Vocabulary:
    """A fixed list of tokens; the first three are the end of a sentence, its start, and any word not in the list."""

    def __init__(self, words: Sequence[str]) -> None:
        self.tokens = (*SPECIAL, *words)
        self._number = {token: number for number, token in enumerate(self.tokens)}

    @classmethod
    def of(cls, sentences: Iterable[Sequence[str]], at_least: int) -> Vocabulary:
        """Every word that occurs at least ``at_least`` times, the commonest first."""
        counts = Counter(word for sentence in sentences for word in sentence)
        return cls(sorted((w for w, n in counts.items() if n >= at_least), key=lambda w: (-counts[w], w)))

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def words(self) -> tuple[str, ...]:
        """The tokens without the three special ones, as the constructor takes them."""
        return self.tokens[len(SPECIAL) :]

    def encode(self, words: Iterable[str]) -> list[int]:
        """Words -> token ids; a word that is not in the list becomes UNKNOWN."""
        return [self._number.get(word, UNKNOWN) for word in words]

    def __getitem__(self, number: int) -> str:
        return self.tokens[number]
