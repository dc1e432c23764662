"""From log-probabilities of the next token to sentences: greedy decoding, sampling, beam search.

Works on token ids and log-probabilities only; independent of vocabulary and image.

Shapes: B sentences at once (one an image), K beam width, V vocabulary, R regions or frames attended to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from pipeline.models.vocabulary import END, START

MAX_WORDS = 24
LENGTH_POWER = 0.9  # sentences are ranked by log-probability / tokens**0.9 (Wu et al. 2016 without their offset)

EncoderOutput = Any  # a named tuple of tensors whose first dimension is B
State = Any  # the same, or a named tuple of such tuples


@dataclass(frozen=True)
class DecodingOptions:
    """How a sentence is decoded: by beam search, or at random if a temperature is given."""

    beam_width: int = 3  # sentences kept while searching; 1 is greedy decoding
    temperature: float | None = None  # above 1 flattens, below 1 sharpens the distribution; None: no sampling
    top_p: float = 0.95  # of nucleus sampling
    seed: int = 0  # the same seed samples the same sentence


class Decoder(Protocol):
    """A recurrent network that gives the next token's log-probabilities."""

    def init_state(self, encoded: EncoderOutput) -> State: ...

    def step(self, tokens: Tensor, encoded: EncoderOutput, state: State) -> tuple[Tensor, State, Tensor | None]:
        """Last tokens (B,) -> log-probabilities of the next token (B, V; -inf for forbidden tokens), the new state,
        and attention (B, R), if the decoder has attention."""
        ...


class DecodedToken(NamedTuple):
    """One more token of a sentence, the log-probabilities of all tokens at its place (V,), and attention (R,)."""

    token: int
    log_probabilities: Tensor
    attention: Tensor | None


@dataclass(frozen=True)
class Hypothesis:
    """A finished sentence: its tokens without START and END, and the log-probability of the tokens and END."""

    tokens: tuple[int, ...]
    log_probability: float

    @property
    def score(self) -> float:
        return normalised_score(self.log_probability, len(self.tokens) + 1)


def normalised_score(log_probability: float, tokens: int) -> float:
    """The length-normalised log-probability; ``tokens`` counts the end too."""
    return log_probability / tokens**LENGTH_POWER


TokenFilter = Callable[[Sequence[int]], list[int]]  # tokens so far -> forbidden next tokens
TokenSampler = Callable[[Tensor], int]  # log-probabilities (V,) -> token


def greedy(log_probabilities: Tensor) -> int:
    """The likeliest token."""
    return int(log_probabilities.argmax())


def nucleus_sampler(temperature: float, top_p: float, seed: int) -> TokenSampler:
    """Draws from the likeliest tokens that together have ``top_p`` of the probability (nucleus sampling, Holtzman et
    al. 2020), after ``temperature`` sharpened (< 1) or flattened (> 1) the distribution. The same seed draws the same
    sentence. Raises ValueError unless temperature > 0 and 0 < top_p <= 1."""
    if temperature <= 0 or not 0 < top_p <= 1:
        raise ValueError("Sampling needs a temperature above 0 and top_p in (0, 1].")
    generator = torch.Generator().manual_seed(seed)

    def choose(log_probabilities: Tensor) -> int:
        p, order = (log_probabilities / temperature).softmax(0).sort(descending=True)
        kept = p * ((p.cumsum(0) - p) < top_p)  # the first word is always kept
        return int(order[torch.multinomial(kept, 1, generator=generator)])

    return choose


def no_repeat_trigrams(tokens: Sequence[int]) -> list[int]:
    """Forbids the end before any word, and a token that would repeat three tokens in a row."""
    if len(tokens) == 1:
        return [END]
    pair = tuple(tokens[-2:])
    return [tokens[i + 2] for i in range(len(tokens) - 2) if tuple(tokens[i : i + 2]) == pair]


@torch.inference_mode()
def generate(
    decoder: Decoder,
    encoded: EncoderOutput,
    sampler: TokenSampler = greedy,
    token_filter: TokenFilter = no_repeat_trigrams,
) -> Iterator[DecodedToken]:
    """One sentence for one image, each token as soon as it is chosen; the last token is END."""
    state, tokens = decoder.init_state(encoded), [START]
    while tokens[-1] != END:
        log_p, state, attention = decoder.step(torch.tensor(tokens[-1:]), encoded, state)
        allowed = log_p[0].index_fill(0, torch.tensor(token_filter(tokens), dtype=torch.long), -torch.inf)
        tokens.append(sampler(allowed) if len(tokens) <= MAX_WORDS else END)
        yield DecodedToken(tokens[-1], log_p[0], None if attention is None else attention[0])


@torch.inference_mode()
def force_decode(
    decoder: Decoder, encoded: EncoderOutput, sentences: Sequence[Sequence[int]]
) -> list[list[DecodedToken]]:
    """Decodes given sentences (tokens without END), one for each image, for their probabilities and attention."""
    state = decoder.init_state(encoded)
    decoded: list[list[DecodedToken]] = [[] for _ in sentences]
    last = torch.tensor([START] * len(sentences))
    for place in range(max(map(len, sentences)) + 1):
        log_p, state, attention = decoder.step(last, encoded, state)
        last = torch.tensor([tokens[place] if place < len(tokens) else END for tokens in sentences])
        for b, tokens in enumerate(sentences):
            if place <= len(tokens):
                decoded[b].append(DecodedToken(int(last[b]), log_p[b], None if attention is None else attention[b]))
    return decoded


# ── Beam search ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Beam:
    """K slots for each of B images. Slot 0 holds the greedy sentence; a slot with a finished sentence stays."""

    tokens: list[list[list[int]]]  # B x K sentences so far, from START
    log_probability: Tensor  # (B, K); -inf: an empty slot
    ended: Tensor  # (B, K) bool

    def hypotheses(self) -> list[list[Hypothesis]]:
        """The sentences of each image, the best score first; unfinished sentences as if they ended here."""
        ranked = []
        for sentences, log_ps in zip(self.tokens, self.log_probability.tolist(), strict=True):
            each = [
                Hypothesis(tuple(t for t in tokens[1:] if t != END), log_p)
                for tokens, log_p in zip(sentences, log_ps, strict=True)
                if log_p > -torch.inf
            ]
            ranked.append(sorted(each, key=lambda h: -h.score))
        return ranked


@torch.inference_mode()
def beam_search(
    decoder: Decoder,
    encoded: EncoderOutput,
    batch: int,
    width: int,
    prefix: Sequence[int] = (START,),
    token_filter: TokenFilter = no_repeat_trigrams,
) -> Iterator[Beam]:
    """Decodes ``width`` sentences for each of ``batch`` images; yields the beam after each token.

    All sentences begin with the tokens ``prefix``, whose probability does not count.

    Monotonic beam search (Lemons et al., "Beam Search: Faster and Monotonic", ICAPS 2022): slot k takes the best
    continuation of slots 1..k that no earlier slot took. So a wider beam holds every sentence of a narrower one, its
    best score is never lower, and width 1 is the greedy sentence.
    """
    encoded = select_rows(encoded, torch.arange(batch).repeat_interleave(width))
    state = decoder.init_state(encoded)
    for token in prefix[:-1]:
        _, state, _ = decoder.step(torch.full((batch * width,), token), encoded, state)
    beam = Beam(
        [[list(prefix) for _ in range(width)] for _ in range(batch)],
        torch.full((batch, width), -torch.inf).index_fill(1, torch.tensor([0]), 0.0),
        torch.zeros(batch, width, dtype=torch.bool),
    )
    for length in range(len(prefix), len(prefix) + MAX_WORDS + 1):
        last = torch.tensor([tokens[-1] for sentences in beam.tokens for tokens in sentences])
        log_p, state, _ = decoder.step(last, encoded, state)
        if length == len(prefix) + MAX_WORDS:  # no room for another token but END
            log_p = torch.full_like(log_p, -torch.inf).index_copy(1, torch.tensor([END]), log_p[:, [END]])
        parents = extend_beam(beam, log_p.view(batch, width, -1), token_filter)
        rows = parents + torch.arange(batch).unsqueeze(1) * width
        state = select_rows(state, rows.flatten())
        yield beam
        if beam.ended.all():
            return


def extend_beam(beam: Beam, log_p: Tensor, token_filter: TokenFilter) -> Tensor:
    """Extends every unfinished hypothesis by one token, in place. Returns the parent slots, (B, K)."""
    batch, width, _ = log_p.shape
    for b, sentences in enumerate(beam.tokens):
        for k, tokens in enumerate(sentences):
            log_p[b, k, token_filter(tokens)] = -torch.inf
    total = beam.log_probability.unsqueeze(2) + log_p
    total[beam.ended] = -torch.inf  # nothing continues a finished sentence
    best, words = total.topk(min(width, total.shape[2]), 2)  # a slot needs no more than its K best children
    parents = torch.arange(width).repeat(batch, 1)
    for b in range(batch):
        before, scores = beam.tokens[b], best[b].tolist()
        after = list(before)
        taken = [0] * width  # how many children of each slot are taken
        for k in range(width):
            if beam.ended[b, k]:
                continue
            parent = max(range(k + 1), key=lambda j: scores[j][taken[j]] if taken[j] < len(scores[j]) else -torch.inf)
            place = min(taken[parent], len(scores[parent]) - 1)
            word, log_p_of_word = int(words[b, parent, place]), scores[parent][place]
            taken[parent] += 1
            after[k] = [*before[parent], word]
            parents[b, k] = parent
            beam.log_probability[b, k] = log_p_of_word
            beam.ended[b, k] = word == END or log_p_of_word == -torch.inf
        beam.tokens[b] = after
    return parents


def select_rows(tree: Any, rows: Tensor | slice) -> Any:  # noqa: ANN401
    """The chosen rows of every tensor in a named tuple of tensors, of None, or of such tuples; the same type."""
    if tree is None or isinstance(tree, Tensor):
        return tree if tree is None else tree[rows]
    return type(tree)(*(select_rows(part, rows) for part in tree))
