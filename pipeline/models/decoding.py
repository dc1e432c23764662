"""From a network that says how likely each next word is, to sentences: greedy, sampled, or by beam search.

Everything here speaks of token numbers and log-probabilities only; what the tokens mean and what the network looks at
are the decoder's own affair.

Shapes: B sentences at once (one a picture), K beam width, V vocabulary, R regions or frames attended to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

from pipeline.models.vocabulary import END, START

MAX_WORDS = 24
LENGTH_POWER = 0.9  # a sentence is ranked by log-probability / tokens**0.9 (Wu et al. 2016 without their offset)

EncoderOutput = Any  # what a decoder looks at: a named tuple of tensors whose first dimension is B
State = Any  # what it carries from word to word: likewise, or a named tuple of such
Tree = TypeVar("Tree")


class Decoder(Protocol):
    """What is searched: a recurrent network that writes."""

    def init_state(self, scene: EncoderOutput) -> State: ...

    def step(self, tokens: Tensor, scene: EncoderOutput, state: State) -> tuple[Tensor, State, Tensor | None]:
        """Last words (B,) -> log-probabilities of the next (B, V; -inf for what must not be said), the new state,
        and where it looked (B, R), if it can look."""
        ...


class DecodedToken(NamedTuple):
    """One more word of one sentence: its token, what else was possible (V,), and where the network looked (R,)."""

    token: int
    log_probabilities: Tensor
    attention: Tensor | None


@dataclass(frozen=True)
class Hypothesis:
    """A finished sentence: its tokens (START and END left out) and the log-probability of all of them and END."""

    tokens: tuple[int, ...]
    log_probability: float

    @property
    def score(self) -> float:
        return normalised_score(self.log_probability, len(self.tokens) + 1)


def normalised_score(log_probability: float, tokens: int) -> float:
    """What sentences of different lengths are compared by; ``tokens`` counts the end too."""
    return log_probability / tokens**LENGTH_POWER


TokenFilter = Callable[[Sequence[int]], list[int]]  # tokens so far -> tokens that may not come next
TokenSampler = Callable[[Tensor], int]  # log-probabilities (V,) -> token


def greedy(log_probabilities: Tensor) -> int:
    """The greedy choice."""
    return int(log_probabilities.argmax())


def nucleus_sampler(temperature: float, top_p: float, seed: int) -> TokenSampler:
    """Draw from the likeliest words that together have ``top_p`` (nucleus sampling, Holtzman et al. 2020) of the
    distribution sharpened (temperature < 1) or flattened (> 1). The same seed draws the same sentence."""
    if temperature <= 0 or not 0 < top_p <= 1:
        raise ValueError("Sampling needs a temperature above 0 and top_p in (0, 1].")
    generator = torch.Generator().manual_seed(seed)

    def choose(log_probabilities: Tensor) -> int:
        p, order = (log_probabilities / temperature).softmax(0).sort(descending=True)
        kept = p * ((p.cumsum(0) - p) < top_p)  # the first word is always kept
        return int(order[torch.multinomial(kept, 1, generator=generator)])

    return choose


def no_repeat_trigrams(tokens: Sequence[int]) -> list[int]:
    """What may not come next in a sentence: the end before any word, and what would repeat three words in a row."""
    if len(tokens) == 1:
        return [END]
    pair = tuple(tokens[-2:])
    return [tokens[i + 2] for i in range(len(tokens) - 2) if tuple(tokens[i : i + 2]) == pair]


@torch.inference_mode()
def generate(
    decoder: Decoder, scene: EncoderOutput, choose: TokenSampler = greedy, rule: TokenFilter = no_repeat_trigrams
) -> Iterator[DecodedToken]:
    """One sentence, each word as soon as it is chosen; the last has the token END. ``scene`` holds one picture."""
    state, tokens = decoder.init_state(scene), [START]
    while tokens[-1] != END:
        log_p, state, attention = decoder.step(torch.tensor(tokens[-1:]), scene, state)
        allowed = log_p[0].index_fill(0, torch.tensor(rule(tokens), dtype=torch.long), -torch.inf)
        tokens.append(choose(allowed) if len(tokens) <= MAX_WORDS else END)
        yield DecodedToken(tokens[-1], log_p[0], None if attention is None else attention[0])


@torch.inference_mode()
def force_decode(
    decoder: Decoder, scene: EncoderOutput, sentences: Sequence[Sequence[int]]
) -> list[list[DecodedToken]]:
    """The same account of sentences that are known already, one for each picture of the scene; END is added."""
    state, found = decoder.init_state(scene), [[] for _ in sentences]
    last = torch.tensor([START] * len(sentences))
    for place in range(max(map(len, sentences)) + 1):
        log_p, state, attention = decoder.step(last, scene, state)
        last = torch.tensor([tokens[place] if place < len(tokens) else END for tokens in sentences])
        for b, tokens in enumerate(sentences):
            if place <= len(tokens):
                found[b].append(DecodedToken(int(last[b]), log_p[b], None if attention is None else attention[b]))
    return found


# ── Beam search ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Beam:
    """K slots for each of B pictures. Slot 0 holds the greedy sentence; once its sentence has ended a slot stays."""

    tokens: list[list[list[int]]]  # B x K sentences so far, from START
    log_probability: Tensor  # (B, K); -inf: an empty slot
    ended: Tensor  # (B, K) bool

    def hypotheses(self) -> list[list[Hypothesis]]:
        """For each picture its sentences, the best score first; unfinished ones as if they ended here."""
        found = []
        for sentences, scores in zip(self.tokens, self.log_probability.tolist(), strict=True):
            each = [
                Hypothesis(tuple(t for t in tokens[1:] if t != END), normalised_score)
                for tokens, normalised_score in zip(sentences, scores, strict=True)
                if normalised_score > -torch.inf
            ]
            found.append(sorted(each, key=lambda h: -h.normalised_score))
        return found


@torch.inference_mode()
def beam_search(
    decoder: Decoder,
    scene: EncoderOutput,
    batch: int,
    width: int,
    prefix: Sequence[int] = (START,),
    rule: TokenFilter = no_repeat_trigrams,
) -> Iterator[Beam]:
    """Write ``width`` sentences for each of ``batch`` pictures; the beam after each word, the last one finished.

    All sentences begin with ``begun``, whose probability does not count.

    Monotonic beam search (Lemons et al., "Beam Search: Faster and Monotonic", ICAPS 2022): slot k takes the best
    continuation of slots 1..k that no earlier slot took. So a wider beam holds every sentence of a narrower one, and
    its best score is never lower; width 1 is the greedy sentence.
    """
    scene = select_rows(scene, torch.arange(batch).repeat_interleave(width))
    state = decoder.init_state(scene)
    for token in prefix[:-1]:
        _, state, _ = decoder.step(torch.full((batch * width,), token), scene, state)
    beam = Beam(
        [[list(prefix) for _ in range(width)] for _ in range(batch)],
        torch.full((batch, width), -torch.inf).index_fill(1, torch.tensor([0]), 0.0),
        torch.zeros(batch, width, dtype=torch.bool),
    )
    for length in range(len(prefix), len(prefix) + MAX_WORDS + 1):
        last = torch.tensor([tokens[-1] for sentences in beam.tokens for tokens in sentences])
        log_p, state, _ = decoder.step(last, scene, state)
        if length == len(prefix) + MAX_WORDS:  # no room for another word: only the end is left
            log_p = torch.full_like(log_p, -torch.inf).index_copy(1, torch.tensor([END]), log_p[:, [END]])
        parents = extend_beam(beam, log_p.view(batch, width, -1), rule)
        rows = parents + torch.arange(batch).unsqueeze(1) * width
        state = select_rows(state, rows.flatten())
        yield beam
        if beam.ended.all():
            return


def extend_beam(beam: Beam, log_p: Tensor, rule: TokenFilter) -> Tensor:
    """Give every live slot its next word, in place; -> the slots whose sentences they continue, (B, K)."""
    batch, width, _ = log_p.shape
    for b, sentences in enumerate(beam.tokens):
        for k, tokens in enumerate(sentences):
            log_p[b, k, rule(tokens)] = -torch.inf
    total = beam.log_probability.unsqueeze(2) + log_p
    total[beam.ended] = -torch.inf  # nothing continues a finished sentence
    best, words = total.topk(min(width, total.shape[2]), 2)  # no slot's child is needed beyond its first K
    parents = torch.arange(width).repeat(batch, 1)
    for b in range(batch):
        before, scores = beam.tokens[b], best[b].tolist()
        after = list(before)
        taken = [0] * width  # how many children of each slot are spoken for
        for k in range(width):
            if beam.ended[b, k]:
                continue
            parent = max(range(k + 1), key=lambda j: scores[j][taken[j]] if taken[j] < len(scores[j]) else -torch.inf)
            place = min(taken[parent], len(scores[parent]) - 1)
            word, normalised_score = int(words[b, parent, place]), scores[parent][place]
            taken[parent] += 1
            after[k] = [*before[parent], word]
            parents[b, k] = parent
            beam.log_probability[b, k] = normalised_score
            beam.ended[b, k] = word == END or normalised_score == -torch.inf
        beam.tokens[b] = after
    return parents


def select_rows(tree: Tree, rows: Tensor | slice) -> Tree:
    """The chosen rows of every tensor in a scene or a state (named tuples of tensors, of None, or of their like)."""
    if tree is None or isinstance(tree, Tensor):
        return tree if tree is None else tree[rows]
    return type(tree)(*(select_rows(part, rows) for part in tree))
