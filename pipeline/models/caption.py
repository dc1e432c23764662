"""One-to-many and many-to-many: what the encoder saw -> a sentence, word by word, and where the network looked.

Three networks write. ``PlainDecoder`` is told once what is in the picture and then only hears its own words (Vinyals
et al. 2015, "Show and Tell"; Karpathy & Fei-Fei 2015). ``TopDownDecoder`` looks again before every word, at the
region that its state asks for (Xu et al. 2015, "Show, Attend and Tell"; two cells as in Anderson et al. 2018). For a
clip, ``ClipDecoder`` first reads the frames with a recurrent cell of its own and then looks at frames as the other
looks at regions (Yao et al. 2015). Each comes with any of the three cells.

Shapes: B pictures or clips, R regions of a photo or frames of a clip, D features, H hidden size, E embedding size,
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

from pipeline.media.clip import Clip
from pipeline.models.checkpoint import WEIGHTS, Card, load_checkpoint
from pipeline.models.decoding import (
    DecodedToken,
    Hypothesis,
    TokenSampler,
    beam_search,
    force_decode,
    generate,
    greedy,
    score,
)
from pipeline.models.encoder import Encoder
from pipeline.models.recurrent import CELLS, State
from pipeline.models.vocabulary import END, START, UNKNOWN, Vocabulary

RUNNERS_UP = 5
FEATURE_DROPOUT, WORD_DROPOUT = 0.3, 0.4  # in training only


@dataclass(frozen=True)
class WordStep:
    """One word of a caption, as it was decided. The last step of a sentence has the word "" (its end)."""

    word: str
    probability: float
    alternatives: tuple[tuple[str, float], ...]  # the likeliest other words, "" is the end
    attention: np.ndarray | None  # (R,) float32, sums to 1; None where the network cannot look


@dataclass(frozen=True)
class Caption:
    """A finished sentence with its account. ``score`` is what beam search ranks by, ``confidence`` the geometric mean
    of its words' probabilities (the end's too), and ``sure`` whether that reaches the threshold chosen on val."""

    text: str
    score: float
    confidence: float
    is_confident: bool
    steps: tuple[WordStep, ...]


class EncoderOutput(NamedTuple):
    """What a decoder may look at. ``seen`` is False for places that do not exist (shorter clips of a batch)."""

    regions: Tensor  # (B, R, H)
    keys: Tensor  # (B, R, H): what a query is compared with
    mean: Tensor  # (B, H)
    seen: Tensor  # (B, R) bool


class DecoderState(NamedTuple):
    """What a decoder carries from word to word; the plain one has only ``speak``."""

    speak: State
    watch: State | None = None


class ShowAndTellDecoder(nn.Module):
    """The picture is x_0, every word is the next x_t, and h_t says what comes after it."""

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

    def encode(self, features: Tensor, seen: Tensor | None = None) -> EncoderOutput:
        """(B, R, D) -> what the decoder sees of it; ``seen`` (B, R) bool, everything if not given."""
        seen = torch.ones(features.shape[:2], dtype=torch.bool) if seen is None else seen
        regions = torch.relu(self.project(self.feature_dropout(features))) * seen.unsqueeze(2)
        return EncoderOutput(regions, regions, regions.sum(1) / seen.sum(1, keepdim=True), seen)

    def init_state(self, scene: EncoderOutput) -> DecoderState:
        empty = self.speak.initial_state(len(scene.mean))
        return DecoderState(self.speak.step(torch.relu(self.picture(scene.mean)), empty))

    def step(
        self, tokens: Tensor, scene: EncoderOutput, state: DecoderState
    ) -> tuple[Tensor, DecoderState, Tensor | None]:
        """Last words (B,) -> log-probabilities of the next (B, V), state, attention (B, R) or None."""
        hidden, state, attention = self.next_hidden(self.embed(tokens), scene, state)
        logits = self.logits(hidden).index_fill(1, torch.tensor([START, UNKNOWN]), -torch.inf)
        return logits.log_softmax(1), state, attention

    def next_hidden(
        self, word: Tensor, scene: EncoderOutput, state: DecoderState
    ) -> tuple[Tensor, DecoderState, Tensor | None]:
        """The last word's embedding (B, E) -> what decides the next one, the new state, and where it looked."""
        speak = self.speak.step(word, state.speak)
        return speak.h, DecoderState(speak), None

    def logits(self, hidden: Tensor) -> Tensor:
        """-> logits (..., V). The output matrix is the embedding again (Press & Wolf 2017)."""
        return nn.functional.linear(self.readout(self.dropout(hidden)), self.embed.weight, self.bias)


class TopDownDecoder(ShowAndTellDecoder):
    """Before each word one cell decides where to look, and another, told what is there, decides what to say."""

    def _add_cells(self, cell: str, hidden: int, embedded: int) -> None:
        self.watch = CELLS[cell](2 * hidden + embedded, hidden)
        self.speak = CELLS[cell](2 * hidden, hidden)
        self.query, self.key = nn.Linear(hidden, hidden), nn.Linear(hidden, hidden)
        self.readout = nn.Linear(2 * hidden, embedded)

    def encode(self, features: Tensor, seen: Tensor | None = None) -> EncoderOutput:
        scene = super().encode(features, seen)
        return scene._replace(keys=self.key(scene.regions))

    def init_state(self, scene: EncoderOutput) -> DecoderState:
        batch = len(scene.mean)
        return DecoderState(self.speak.initial_state(batch), self.watch.initial_state(batch))

    def next_hidden(
        self, word: Tensor, scene: EncoderOutput, state: DecoderState
    ) -> tuple[Tensor, DecoderState, Tensor | None]:
        assert state.watch is not None
        watch = self.watch.step(torch.cat([word, scene.mean, state.speak.h], 1), state.watch)
        attention = self.attend(self.query(watch.h), scene)
        there = torch.einsum("br,brh->bh", attention, scene.regions)
        speak = self.speak.step(torch.cat([there, watch.h], 1), state.speak)
        return torch.cat([speak.h, there], 1), DecoderState(speak, watch), attention

    @staticmethod
    def attend(query: Tensor, scene: EncoderOutput) -> Tensor:
        """(B, H) -> how much each region is looked at, (B, R): softmax(k q / sqrt(H)), Vaswani et al. 2017."""
        scores = torch.einsum("brh,bh->br", scene.keys, query) / math.sqrt(query.shape[1])
        return scores.masked_fill(~scene.seen, -torch.inf).softmax(1)


class ClipDecoder(TopDownDecoder):
    """A cell reads the frames in order; the decoder looks at frames, each with what was remembered by then."""

    def _add_cells(self, cell: str, hidden: int, embedded: int) -> None:
        super()._add_cells(cell, hidden, embedded)
        self.read = CELLS[cell](hidden, hidden)
        self.remember = nn.Linear(hidden, hidden)
        nn.init.zeros_(self.remember.weight)  # training starts from a photo captioner that looks at frames
        nn.init.zeros_(self.remember.bias)

    def encode(self, features: Tensor, seen: Tensor | None = None) -> EncoderOutput:
        seen = torch.ones(features.shape[:2], dtype=torch.bool) if seen is None else seen
        here = self.project(self.feature_dropout(features))
        read, _ = self.read.scan(torch.relu(here))
        regions = torch.relu(here + self.remember(read)) * seen.unsqueeze(2)
        return EncoderOutput(regions, self.key(regions), regions.sum(1) / seen.sum(1, keepdim=True), seen)

    @staticmethod
    def prefixes(scene: EncoderOutput) -> EncoderOutput:
        """One clip of T frames -> T clips, its first frame, its first two, ... No frame is read again: what the
        reader knew at a frame does not depend on later ones."""
        count = scene.regions.shape[1]
        seen = torch.ones(count, count, dtype=torch.bool).tril()
        regions, keys = (part.expand(count, -1, -1) for part in scene[:2])
        mean = scene.regions[0].cumsum(0) / torch.arange(1, count + 1).unsqueeze(1)
        return EncoderOutput(regions, keys, mean, seen)


DECODERS: dict[str, type[ShowAndTellDecoder]] = {
    "photo": TopDownDecoder,
    "plain": ShowAndTellDecoder,
    "clip": ClipDecoder,
}


class CaptionModel:
    """A trained decoder with its card: vocabulary and the threshold under which a sentence is a guess."""

    def __init__(self, decoder: ShowAndTellDecoder, card: Card) -> None:
        self.decoder = decoder.eval()
        self.vocabulary = Vocabulary(card["vocabulary"].split())
        self.threshold: float = card["threshold"]
        self.limits: list[str] = card["limits"]

    @torch.inference_mode()
    def encode(self, features: np.ndarray) -> EncoderOutput:
        """Of B photos their maps (B, R, D), of one clip its frames' features (1, T, D); float32."""
        return self.decoder.encode(torch.from_numpy(features))

    def generate(self, scene: EncoderOutput, choose: TokenSampler = greedy) -> Iterator[WordStep]:
        """One picture's sentence, each word as soon as it is decided."""
        return self._steps(generate(self.decoder, scene, choose))

    def search(self, scene: EncoderOutput, width: int) -> list[list[Hypothesis]]:
        """Beam search for every picture of the scene; each one's sentences, the best first."""
        *_, beam = beam_search(self.decoder, scene, len(scene.mean), width)
        return beam.hypotheses()

    def stream_beam_search(self, scene: EncoderOutput, width: int) -> Iterator[list[Hypothesis]]:
        """The same for one picture, its sentences so far after every word."""
        for beam in beam_search(self.decoder, scene, 1, width):
            yield beam.hypotheses()[0]

    def describe_words(self, scene: EncoderOutput, sentences: Sequence[Hypothesis]) -> list[Caption]:
        """The full account of sentences that were found, one for each picture of the scene."""
        told = force_decode(self.decoder, scene, [sentence.tokens for sentence in sentences])
        return [self.caption(tuple(self._steps(each))) for each in told]

    def captions_per_frame(self, scene: EncoderOutput, width: int) -> list[Caption]:
        """What would be said of a clip after each of its T frames, T captions; of photos one each."""
        scene = self.decoder.prefixes(scene) if isinstance(self.decoder, ClipDecoder) else scene
        return self.describe_words(scene, [sentences[0] for sentences in self.search(scene, width)])

    def caption(self, steps: tuple[WordStep, ...]) -> Caption:
        """Word steps up to the end -> the caption they are."""
        log_p = sum(math.log(step.probability) for step in steps)
        confidence = math.exp(log_p / len(steps))
        text = " ".join(step.word for step in steps[:-1])
        return Caption(text, score(log_p, len(steps)), confidence, confidence >= self.threshold, steps)

    def text(self, sentence: Hypothesis) -> str:
        return " ".join(self.vocabulary[token] for token in sentence.tokens)

    def _steps(self, written: Iterable[DecodedToken]) -> Iterator[WordStep]:
        for token, log_p, attention in written:
            best = log_p.exp().topk(RUNNERS_UP + 1)
            ranked = zip(best.indices.tolist(), best.values.tolist(), strict=True)
            others = [(self._word(k), p) for k, p in ranked if k != token][:RUNNERS_UP]
            looked = None if attention is None else attention.numpy()
            yield WordStep(self._word(token), math.exp(log_p[token]), tuple(others), looked)

    def _word(self, token: int) -> str:
        return "" if token == END else self.vocabulary[token]


def is_shipped(kind: str, cell: str, weights: Path = WEIGHTS) -> bool:
    """Whether there is such a captioner: photos seen only once are for comparison, and not every cell learned it."""
    return (weights / f"caption-{kind}-{cell}.json").exists()


def load_caption(kind: str, cell: str, weights: Path = WEIGHTS) -> CaptionModel:
    """A shipped captioner: one of DECODERS with one of CELLS. Raises KeyError for other names, CheckpointError for
    damage."""
    if kind not in DECODERS or cell not in CELLS:
        raise KeyError(f"There is no {kind!r} captioner with the cell {cell!r}.")
    tensors, card = load_checkpoint(weights / f"caption-{kind}-{cell}")
    decoder = DECODERS[kind](cell, len(Vocabulary(card["vocabulary"].split())), *caption_sizes(card))
    decoder.load_state_dict({name: t.float() for name, t in tensors.items()}, strict=True)
    return CaptionModel(decoder, card)


def caption_sizes(card: Card) -> Sequence[int]:
    """D, H and E."""
    return card["features"], card["hidden"], card["embedded"]


BEAM = 3


def captioner_for(clip: Clip) -> str:
    return "photo" if clip.kind == "photo" else "clip"


def encode(clips: Sequence[Clip], encoder: Encoder, model: CaptionModel) -> EncoderOutput:
    """What a captioner sees: the regions of photos, or the frames of one clip."""
    seen = encoder.encode([frame.image for clip in clips for frame in clip.frames])
    return model.encode(seen.maps if captioner_for(clips[0]) == "photo" else seen.features[None])
