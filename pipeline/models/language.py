"""Language models, many-to-many in step: the probability of every next letter or word, after each letter or word.

The cells are those of the other models, without an image: x_t is the embedding of the last token, and the state is the
only memory. ``letters`` spells English words, ``words`` continues a description, ``countries`` must remember a word
over many others.

Shapes: B texts, N tokens, V vocabulary, H hidden size, E embedding size.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.models.checkpoint import WEIGHTS, Card, load_checkpoint
from pipeline.models.decoding import TokenFilter, beam_search
from pipeline.models.recurrent import CELLS, State
from pipeline.models.vocabulary import END, START, UNKNOWN, Vocabulary, tokenize

TOP = 5
BEAM = 12  # wider than TOP: the likeliest words are rarely those with the likeliest first letters


@dataclass(frozen=True)
class TextStep:
    """The prediction after a text: the TOP + 1 likeliest next tokens ("" is the end) and the hidden state h_t (H,).

    ``token`` is the last token of the text, "" before the first one.
    """

    text: str
    token: str
    next_tokens: tuple[tuple[str, float], ...]
    hidden: np.ndarray


class LanguageNetwork(nn.Module):
    """Embedding, one recurrent cell, and the embedding matrix as the output matrix (Press & Wolf 2017)."""

    def __init__(self, cell: str, vocabulary: int, hidden: int, embedded: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(vocabulary, embedded)
        self.cell = CELLS[cell](embedded, hidden)
        self.readout = nn.Linear(hidden, embedded)
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        self.dropout = nn.Dropout(0.0)  # training sets the rate
        nn.init.normal_(self.embed.weight, std=0.1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Texts that begin with START, (B, N) -> logits of the next token at every place, (B, N, V)."""
        hidden, _ = self.cell.scan(self.dropout(self.embed(tokens)))
        return self.logits(hidden)

    def logits(self, hidden: Tensor) -> Tensor:
        return nn.functional.linear(self.readout(self.dropout(hidden)), self.embed.weight, self.bias)

    def init_state(self, texts: Tensor) -> State:
        """The state before any token; only the batch size of ``texts`` (B, 0) matters (see decoding.Decoder)."""
        return self.cell.initial_state(len(texts))

    def step(self, tokens: Tensor, texts: Tensor, state: State) -> tuple[Tensor, State, None]:
        """Last tokens (B,) -> log-probabilities of the next token (B, V), the new state, and no attention."""
        state = self.cell.step(self.embed(tokens), state)
        logits = self.logits(state.h).index_fill(1, torch.tensor([START, UNKNOWN]), -torch.inf)
        return logits.log_softmax(1), state, None


class LanguageModel:
    """A trained network with its card: the vocabulary, and whether its tokens are letters or words."""

    def __init__(self, network: LanguageNetwork, card: Card) -> None:
        self.network = network.eval()
        self.vocabulary = Vocabulary(card["vocabulary"].split())
        self.is_character_level: bool = card["unit"] == "letter"
        self.limits: list[str] = card["limits"]
        self.card = card

    def tokens(self, text: str) -> list[int]:
        """START and the token ids of the text. A letter model ignores all characters but a to z."""
        units = [c for c in text.lower() if c.isascii() and c.isalpha()] if self.is_character_level else tokenize(text)
        return [START, *self.vocabulary.encode(units)]

    @torch.inference_mode()
    def predict(self, text: str) -> Iterator[TextStep]:
        """The prediction before the first token, after the first token, after the first two, and so on."""
        nothing = torch.zeros(1, 0)
        state, so_far = self.network.init_state(nothing), []
        for token in self.tokens(text):
            log_p, state, _ = self.network.step(torch.tensor([token]), nothing, state)
            if token != START:
                so_far.append(self.vocabulary[token])
            best = log_p[0].exp().topk(TOP + 1)
            next_tokens = tuple(
                (self._shown(k), p) for k, p in zip(best.indices.tolist(), best.values.tolist(), strict=True)
            )
            yield TextStep(self._joined(so_far), so_far[-1] if so_far else "", next_tokens, state.h[0].numpy().copy())

    def next(self, text: str) -> list[tuple[str, float]]:
        """The TOP likeliest next tokens with their probabilities, the likeliest first, without the end."""
        *_, last = self.predict(text)
        return [(token, p) for token, p in last.next_tokens if token][:TOP]

    def complete(self, prefix: str) -> list[tuple[str, float]]:
        """The likeliest longer texts that begin with the prefix, with their probabilities given the prefix."""
        tokens = self.tokens(prefix)
        *_, beam = beam_search(self.network, torch.zeros(1, 0), 1, BEAM, tokens, longer_than(len(tokens)))
        ranked = sorted(beam.hypotheses()[0], key=lambda h: -h.log_probability)[:TOP]
        return [(self._joined([self.vocabulary[t] for t in h.tokens]), math.exp(h.log_probability)) for h in ranked]

    def _shown(self, token: int) -> str:
        return "" if token == END else self.vocabulary[token]

    def _joined(self, units: list[str]) -> str:
        return ("" if self.is_character_level else " ").join(units)


def longer_than(length: int) -> TokenFilter:
    """Forbids the end for a text of this many tokens or fewer."""
    return lambda tokens: [END] if len(tokens) <= length else []


def load_language(name: str, cell: str = "lstm", weights: Path = WEIGHTS) -> LanguageModel:
    """The shipped model "letters", "words" or "countries". Raises CheckpointError if there is no such model."""
    tensors, card = load_checkpoint(weights / f"language-{name}-{cell}")
    network = LanguageNetwork(card["cell"], len(card["vocabulary"].split()) + 3, card["hidden"], card["embedded"])
    network.load_state_dict({key: tensor.float() for key, tensor in tensors.items()}, strict=True)
    return LanguageModel(network, card)
