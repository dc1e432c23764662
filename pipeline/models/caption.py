"""One-to-many and many-to-many: image features -> a sentence, word by word, with attention for every word.

Three decoders. ``ShowAndTellDecoder`` receives the image once, before the first word (Vinyals et al. 2015, "Show and
Tell"; Karpathy & Fei-Fei 2015). ``TopDownDecoder`` attends to image regions before every word (Xu et al. 2015, "Show,
Attend and Tell"; two cells as in Anderson et al. 2018). ``ClipDecoder`` reads the frames of a clip with a recurrent
cell and attends to frames instead of regions (Yao et al. 2015). Each is available with any of the three cells.

Shapes: B photos or clips, R regions of a photo or frames of a clip, D features, H hidden size, E embedding size,
V vocabulary, N words.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.models.checkpoint import WEIGHTS, Card, load_checkpoint
from pipeline.models.decoding import (
    DecodedToken,
    DecodingOptions,
    Hypothesis,
    TokenSampler,
    beam_search,
    force_decode,
    generate,
    greedy,
    normalised_score,
    nucleus_sampler,
)
from pipeline.models.encoder import FrameFeatures
from pipeline.models.recurrent import CELLS, State
from pipeline.models.vocabulary import END, START, UNKNOWN, Vocabulary

BEAM = DecodingOptions.beam_width  # the default
MAX_FRAMES = 24  # of a clip; captioners were trained on no more
RUNNERS_UP = 5  # other words given for every word
FEATURE_DROPOUT, WORD_DROPOUT = 0.3, 0.4  # in training only


@dataclass(frozen=True)
class WordStep:
    """One decoded word of a caption. The last step of a sentence has the word "", which is its end."""

    word: str
    probability: float
    alternatives: tuple[tuple[str, float], ...]  # the likeliest other words; "" is the end
    attention: np.ndarray | None  # (R,) float32, sums to 1; None for a decoder without attention


@dataclass(frozen=True)
class Caption:
    """A finished sentence.

    ``score`` is the length-normalised log-probability that beam search ranks by. ``confidence`` is the geometric mean
    of the word probabilities, the end included. ``is_confident`` tells whether it reaches the threshold chosen on val.
    """

    text: str
    score: float
    confidence: float
    is_confident: bool
    steps: tuple[WordStep, ...]


class EncoderOutput(NamedTuple):
    """What a decoder attends to: regions of a photo or frames of a clip.

    ``mask`` is False for places that do not exist (shorter clips of a batch).
    """

    values: Tensor  # (B, R, H)
    keys: Tensor  # (B, R, H): a query is compared with these
    mean: Tensor  # (B, H)
    mask: Tensor  # (B, R) bool


class DecoderState(NamedTuple):
    """The states of a decoder's cells; ``watch`` is that of the attention cell, if there is one."""

    speak: State
    watch: State | None = None


class ShowAndTellDecoder(nn.Module):
    """The image is x_0, every word is the next x_t, and h_t predicts the word after it."""

    def __init__(self, cell: str, vocabulary: int, features: int, hidden: int, embedded: int) -> None:
        super().__init__()
        self.project = nn.Linear(features, hidden)
        self.embed = nn.Embedding(vocabulary, embedded)
        self.readout = nn.Linear(hidden, embedded)
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        self.feature_dropout, self.dropout = nn.Dropout(FEATURE_DROPOUT), nn.Dropout(WORD_DROPOUT)
        nn.init.normal_(self.embed.weight, std=0.1)
        self._add_cells(cell, hidden, embedded)

    def _add_cells(self, cell: str, hidden: int, embedded: int) -> None:
        self.picture = nn.Linear(hidden, embedded)
        self.speak = CELLS[cell](embedded, hidden)

    def encode(self, features: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        """Features (B, R, D) -> what the decoder attends to. ``mask`` (B, R) bool; None: every place exists."""
        mask = torch.ones(features.shape[:2], dtype=torch.bool) if mask is None else mask
        values = torch.relu(self.project(self.feature_dropout(features))) * mask.unsqueeze(2)
        return EncoderOutput(values, values, values.sum(1) / mask.sum(1, keepdim=True), mask)

    def init_state(self, encoded: EncoderOutput) -> DecoderState:
        """The state before the first word, from the image."""
        empty = self.speak.initial_state(len(encoded.mean))
        return DecoderState(self.speak.step(torch.relu(self.picture(encoded.mean)), empty))

    def step(
        self, tokens: Tensor, encoded: EncoderOutput, state: DecoderState
    ) -> tuple[Tensor, DecoderState, Tensor | None]:
        """Last words (B,) -> log-probabilities of the next word (B, V), state, attention (B, R) or None."""
        hidden, state, attention = self.next_hidden(self.embed(tokens), encoded, state)
        logits = self.logits(hidden).index_fill(1, torch.tensor([START, UNKNOWN]), -torch.inf)
        return logits.log_softmax(1), state, attention

    def next_hidden(
        self, word: Tensor, encoded: EncoderOutput, state: DecoderState
    ) -> tuple[Tensor, DecoderState, Tensor | None]:
        """Embedding of the last word (B, E) -> input of the readout, new state, attention (B, R) or None."""
        speak = self.speak.step(word, state.speak)
        return speak.h, DecoderState(speak), None

    def logits(self, hidden: Tensor) -> Tensor:
        """Logits (..., V). The output matrix is the embedding matrix (Press & Wolf 2017)."""
        return nn.functional.linear(self.readout(self.dropout(hidden)), self.embed.weight, self.bias)


class TopDownDecoder(ShowAndTellDecoder):
    """Before each word the attention cell chooses regions; the language cell reads them and predicts the word."""

    def _add_cells(self, cell: str, hidden: int, embedded: int) -> None:
        self.watch = CELLS[cell](2 * hidden + embedded, hidden)
        self.speak = CELLS[cell](2 * hidden, hidden)
        self.query, self.key = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        self.readout = nn.Linear(2 * hidden, embedded)

    def encode(self, features: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        encoded = super().encode(features, mask)
        return encoded._replace(keys=self.key(encoded.values))

    def init_state(self, encoded: EncoderOutput) -> DecoderState:
        batch = len(encoded.mean)
        return DecoderState(self.speak.initial_state(batch), self.watch.initial_state(batch))

    def next_hidden(
        self, word: Tensor, encoded: EncoderOutput, state: DecoderState
    ) -> tuple[Tensor, DecoderState, Tensor | None]:
        assert state.watch is not None
        watch = self.watch.step(torch.cat([word, encoded.mean, state.speak.h], 1), state.watch)
        attention = self.attend(self.query(watch.h), encoded)
        attended = torch.einsum("br,brh->bh", attention, encoded.values)
        speak = self.speak.step(torch.cat([attended, watch.h], 1), state.speak)
        return torch.cat([speak.h, attended], 1), DecoderState(speak, watch), attention

    @staticmethod
    def attend(query: Tensor, encoded: EncoderOutput) -> Tensor:
        """Query (B, H) -> attention weights (B, R): softmax(k q / sqrt(H)), Vaswani et al. 2017."""
        scores = torch.einsum("brh,bh->br", encoded.keys, query) / math.sqrt(query.shape[1])
        return scores.masked_fill(~encoded.mask, -torch.inf).softmax(1)


class ClipDecoder(TopDownDecoder):
    """A cell reads the frames in order; the decoder attends to frames, each with the cell's state at that frame."""

    def _add_cells(self, cell: str, hidden: int, embedded: int) -> None:
        super()._add_cells(cell, hidden, embedded)
        self.read = CELLS[cell](hidden, hidden)
        self.remember = nn.Linear(hidden, hidden)
        nn.init.zeros_(self.remember.weight)  # training starts from a photo captioner that attends to frames
        nn.init.zeros_(self.remember.bias)

    def encode(self, features: Tensor, mask: Tensor | None = None) -> EncoderOutput:
        mask = torch.ones(features.shape[:2], dtype=torch.bool) if mask is None else mask
        projected = self.project(self.feature_dropout(features))
        hidden, _ = self.read.scan(torch.relu(projected))
        values = torch.relu(projected + self.remember(hidden)) * mask.unsqueeze(2)
        return EncoderOutput(values, self.key(values), values.sum(1) / mask.sum(1, keepdim=True), mask)

    @staticmethod
    def prefixes(encoded: EncoderOutput) -> EncoderOutput:
        """One clip of T frames -> T clips: its first frame, its first two frames, and so on.

        No frame is read again, because the cell's state at a frame does not depend on later frames.
        """
        count = encoded.values.shape[1]
        mask = torch.ones(count, count, dtype=torch.bool).tril()
        values, keys = (part.expand(count, -1, -1) for part in encoded[:2])
        mean = encoded.values[0].cumsum(0) / torch.arange(1, count + 1).unsqueeze(1)
        return EncoderOutput(values, keys, mean, mask)


DECODERS: dict[str, type[ShowAndTellDecoder]] = {
    "photo": TopDownDecoder,
    "plain": ShowAndTellDecoder,
    "clip": ClipDecoder,
}


@dataclass(frozen=True)
class Draft:
    """A caption while it is decoded. The last draft has the ``caption`` and the ``others`` that a beam kept."""

    text: str
    caption: Caption | None = None
    others: tuple[Hypothesis, ...] = ()


class CaptionModel:
    """A trained decoder with its card: vocabulary, and the confidence below which a caption is a guess."""

    def __init__(self, decoder: ShowAndTellDecoder, card: Card) -> None:
        self.decoder = decoder.eval()
        self.vocabulary = Vocabulary(card["vocabulary"].split())
        self.threshold: float = card["threshold"]
        self.limits: list[str] = card["limits"]

    def encode(self, features: Sequence[FrameFeatures]) -> EncoderOutput:
        """One clip (B = 1) for a clip captioner, which reads its ``frames_read``; one photo each, with its regions, for
        the others."""
        if isinstance(self.decoder, ClipDecoder):
            read = frames_read([frame.time for frame in features])
            return self.encode_array(np.stack([features[k].appearance for k in read])[None])
        return self.encode_array(np.stack([frame.regions for frame in features if frame.regions is not None]))

    @torch.inference_mode()
    def encode_array(self, features: np.ndarray) -> EncoderOutput:
        """(B, R, D) float32: the regions of B photos, or the frames of B clips of R frames each."""
        return self.decoder.encode(torch.from_numpy(features))

    def describe(self, features: Sequence[FrameFeatures], width: int = BEAM) -> Caption:
        """The caption of one clip or photo, by beam search."""
        encoded = self.encode(features)
        return self.describe_words(encoded, [self.search(encoded, width)[0][0]])[0]

    def generate(self, encoded: EncoderOutput, options: DecodingOptions) -> Iterator[Draft]:
        """The caption of one photo or clip while it is decoded: a draft after every word, the last one complete."""
        if options.temperature is None and options.beam_width > 1:
            for hypotheses in self.stream_beam_search(encoded, options.beam_width):
                yield Draft(self.text(hypotheses[0]))
            caption = self.describe_words(encoded, hypotheses[:1])[0]
            yield Draft(caption.text, caption, tuple(hypotheses[1:]))
            return
        sampler: TokenSampler = greedy
        if options.temperature is not None:
            sampler = nucleus_sampler(options.temperature, options.top_p, options.seed)
        steps: list[WordStep] = []
        for step in self.stream_words(encoded, sampler):
            steps.append(step)
            yield Draft(" ".join(s.word for s in steps).strip())
        caption = self.caption(tuple(steps))
        yield Draft(caption.text, caption)

    def stream_words(self, encoded: EncoderOutput, sampler: TokenSampler = greedy) -> Iterator[WordStep]:
        """The sentence for one photo or clip, each word as soon as it is decoded."""
        return self._steps(generate(self.decoder, encoded, sampler))

    def search(self, encoded: EncoderOutput, width: int) -> list[list[Hypothesis]]:
        """Beam search for every photo of the batch; the sentences of each, the best first."""
        *_, beam = beam_search(self.decoder, encoded, len(encoded.mean), width)
        return beam.hypotheses()

    def stream_beam_search(self, encoded: EncoderOutput, width: int) -> Iterator[list[Hypothesis]]:
        """Beam search for one photo or clip; the partial sentences after every word."""
        for beam in beam_search(self.decoder, encoded, 1, width):
            yield beam.hypotheses()[0]

    def describe_words(self, encoded: EncoderOutput, sentences: Sequence[Hypothesis]) -> list[Caption]:
        """Probabilities, alternatives and attention of every word of given sentences, one sentence for each photo."""
        decoded = force_decode(self.decoder, encoded, [sentence.tokens for sentence in sentences])
        return [self.caption(tuple(self._steps(tokens))) for tokens in decoded]

    def captions_per_frame(self, encoded: EncoderOutput, width: int) -> list[Caption]:
        """The caption of a clip after each of the T frames that were read, T captions; one caption for each photo."""
        encoded = self.decoder.prefixes(encoded) if isinstance(self.decoder, ClipDecoder) else encoded
        return self.describe_words(encoded, [sentences[0] for sentences in self.search(encoded, width)])

    def caption(self, steps: tuple[WordStep, ...]) -> Caption:
        """All word steps of a sentence, the end included -> the caption."""
        log_p = sum(math.log(step.probability) for step in steps)
        confidence = math.exp(log_p / len(steps))
        text = " ".join(step.word for step in steps[:-1])
        return Caption(text, normalised_score(log_p, len(steps)), confidence, confidence >= self.threshold, steps)

    def text(self, sentence: Hypothesis) -> str:
        return " ".join(self.vocabulary[token] for token in sentence.tokens)

    def _steps(self, decoded: Iterable[DecodedToken]) -> Iterator[WordStep]:
        for token, log_p, attention in decoded:
            best = log_p.exp().topk(RUNNERS_UP + 1)
            ranked = zip(best.indices.tolist(), best.values.tolist(), strict=True)
            others = [(self._word(k), p) for k, p in ranked if k != token][:RUNNERS_UP]
            weights = None if attention is None else attention.numpy()
            yield WordStep(self._word(token), math.exp(log_p[token]), tuple(others), weights)

    def _word(self, token: int) -> str:
        return "" if token == END else self.vocabulary[token]


def frames_read(times: Sequence[float]) -> list[int]:
    """The frames of a clip that a clip captioner reads, the first one always: at most MAX_FRAMES, spread over the clip
    as evenly as its times in seconds allow. It was trained on such clips."""
    if len(times) <= MAX_FRAMES:
        return list(range(len(times)))
    wanted = np.linspace(times[0], times[-1], MAX_FRAMES)
    return np.unique(np.abs(np.subtract.outer(wanted, times)).argmin(1)).tolist()


def captioner_for(kind: str) -> str:
    """The captioner for a clip of this kind: "photo" for photos, "clip" for videos and folders."""
    return "photo" if kind == "photo" else "clip"


def is_shipped(kind: str, cell: str, weights: Path = WEIGHTS) -> bool:
    """Whether weights/ holds this captioner: the one without attention is for comparison, with one cell only."""
    return (weights / f"caption-{kind}-{cell}.json").exists()


def load_caption(kind: str, cell: str = "lstm", weights: Path = WEIGHTS) -> CaptionModel:
    """A shipped captioner: one of DECODERS with one of CELLS. Raises KeyError for other names, CheckpointError for a
    missing or damaged checkpoint."""
    if kind not in DECODERS or cell not in CELLS:
        raise KeyError(f"There is no {kind!r} captioner with the cell {cell!r}.")
    tensors, card = load_checkpoint(weights / f"caption-{kind}-{cell}")
    decoder = DECODERS[kind](cell, len(Vocabulary(card["vocabulary"].split())), *caption_sizes(card))
    decoder.load_state_dict({name: t.float() for name, t in tensors.items()}, strict=True)
    return CaptionModel(decoder, card)


def caption_sizes(card: Card) -> Sequence[int]:
    """D, H and E."""
    return card["features"], card["hidden"], card["embedded"]
