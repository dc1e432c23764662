"""Train the captioners on cached features of the tuned encoder.

    python -m training.caption photo --cache cache          (attends to regions of a photo)
    python -m training.caption plain --cache cache          (receives the photo once, before the first word)
    python -m training.caption clip  --cache cache          (attends to frames; starts from the photo captioner)
    python -m training.self_critical photo --cache cache    (continues with reinforcement learning)
    python -m training.evaluate caption photo plain clip

Photos and their captions are those of Flickr8k (Karpathy split), clips those of MSR-VTT. Neither captioners nor encoder
are fitted to the official validation photos and videos. Every second epoch they are captioned greedily; the weights of
the epoch with the best CIDEr are saved, as float16. Weights are an exponential moving average over steps.

Training uses teacher forcing, cross-entropy with label smoothing, and AdamW with one cosine cycle.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.models.backbones import DEFAULT_BACKBONE
from pipeline.models.caption import (
    BEAM,
    DECODERS,
    Caption,
    CaptionModel,
    EncoderOutput,
    ShowAndTellDecoder,
    load_caption,
)
from pipeline.models.checkpoint import save_checkpoint
from pipeline.models.decoding import MAX_WORDS, select_rows
from pipeline.models.efficientnet_lite import FEATURE_SIZE
from pipeline.models.recurrent import CELLS
from pipeline.models.vocabulary import END, START, UNKNOWN, Vocabulary, tokenize
from training.data import CAPTION_SOURCE, load_items
from training.feature_cache import FRAME, FeatureCache
from training.loop import MovingAverage, adamw_one_cycle, optimiser_step
from training.metrics import caption_metrics, cider_per_caption

HIDDEN, EMBEDDED = 384, 256
MIN_COUNT = 5  # a word joins the vocabulary if it occurs at least so often in the training captions
LABEL_SMOOTHING = 0.1
EMA_DECAY = 0.998
LIMITS = {
    "flickr8k": [
        "It learned from 6,000 photos of people and dogs doing things outdoors (Flickr8k, 30,000 captions). Indoor "
        "scenes, documents, food or wildlife get the nearest outdoor sentence.",
        "It cannot read, count beyond a few, or name anybody; colours and sexes are often guessed.",
    ],
    "msrvtt": [
        "It learned from 3,151 web videos of 2010 to 2016 (MSR-VTT, 20 captions each), 2 to 5 frames of each, after "
        "Flickr8k's photos; it does not use sound and cannot read.",
        "It is best at people who talk, cooking, games and sport; in doubt its caption is 'a man is talking'.",
    ],
}


class CaptionDataset:
    """Features and captions of one source, split into training and validation items."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.items = load_items()
        cache = FeatureCache(folder)
        own = [n for n, item in enumerate(self.items) if item.source == CAPTION_SOURCE[kind]]
        self.train = [n for n in own if not self.items[n].is_validation]
        self.val = [n for n in own if self.items[n].is_validation]
        self.references = [list(self.items[n].captions) for n in self.val]
        self.rows = {n: cache.rows[n, FRAME] for n in own}
        if kind == "clip":
            self.features = np.load(folder / "tuned.npy", mmap_mode="r")  # (N, D)
        else:
            self.features = np.load(folder / "regions.npy", mmap_mode="r")  # (2, photos, R, D): as they are, mirrored
            photos = [n for n, item in enumerate(self.items) if item.source == "flickr8k"]
            self.photo_row = {n: k for k, n in enumerate(photos)}
        captions = (tokenize(caption) for n in self.train for caption in self.items[n].captions)
        self.vocabulary = Vocabulary.of(captions, MIN_COUNT)
        self.sentences = {n: [self.token_ids(c) for c in self.items[n].captions] for n in self.train}

    def token_ids(self, caption: str) -> list[int]:
        return self.vocabulary.encode(tokenize(caption)[: MAX_WORDS - 1])

    def encoder_input(self, numbers: list[int], rng: np.random.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Features (B, R, D) of these items, and the mask of places that exist (B, R). With ``rng`` the features are
        augmented for training."""
        if self.kind != "clip":
            mirrored = np.zeros(len(numbers), int) if rng is None else rng.integers(0, 2, len(numbers))
            features = torch.from_numpy(self.features[mirrored, [self.photo_row[n] for n in numbers]]).float()
            return features, torch.ones(features.shape[:2], dtype=torch.bool)
        clips = [self.rows[n] if rng is None else self.augment(self.rows[n], rng) for n in numbers]
        longest = max(map(len, clips))
        features, mask = torch.zeros(len(numbers), longest, FEATURE_SIZE), torch.zeros(len(numbers), longest)
        for b, rows in enumerate(clips):
            features[b, : len(rows)] = torch.from_numpy(self.features[rows]).float()
            mask[b, : len(rows)] = 1
        return features, mask.bool()

    @staticmethod
    def augment(rows: list[int], rng: np.random.Generator) -> list[int]:
        """Drops some frames and repeats all others for one to four steps, because the MSR-VTT videos have only 2 to 5
        frames and users' clips have more."""
        remaining = [row for row in rows if rng.random() > 0.2] or rows
        return [row for row in remaining for _ in range(rng.choice([1, 1, 2, 4]))]


@dataclass(frozen=True)
class Batch:
    """Sentences by falling length, S sentences of at most N tokens."""

    order: Tensor  # (S,) index of each sentence in the list that make_batch was called with
    item: Tensor  # (S,) index of the item in the batch that each sentence describes
    tokens: Tensor  # (S, N), padded with END
    batch_sizes: list[int]  # number of sentences that have a token at each of the N steps, as in torch's PackedSequence


def make_batch(sentences: list[tuple[int, list[int]]]) -> Batch:
    """Pairs of an item's index in the batch and the token ids of a sentence -> Batch."""
    order = sorted(range(len(sentences)), key=lambda k: -len(sentences[k][1]))
    items, texts = zip(*(sentences[k] for k in order), strict=True)
    longest = len(texts[0]) + 1
    tokens = torch.tensor([text + [END] * (longest - len(text)) for text in texts])
    batch_sizes = [sum(len(text) >= t for text in texts) for t in range(longest)]
    return Batch(torch.tensor(order), torch.tensor(items), tokens, batch_sizes)


def teacher_forced_logits(decoder: ShowAndTellDecoder, encoded: EncoderOutput, batch: Batch) -> tuple[Tensor, Tensor]:
    """Logits (M, V) and target tokens (M,) of all M steps that are not padding, step by step."""
    encoded = select_rows(encoded, batch.item)
    state, outputs = decoder.init_state(encoded), []
    inputs = F.pad(batch.tokens[:, :-1], (1, 0), value=START)
    embedded = decoder.dropout(decoder.embed(inputs))
    for t, size in enumerate(batch.batch_sizes):
        unfinished = slice(size)  # the longest sentences come first
        encoded, state = select_rows(encoded, unfinished), select_rows(state, unfinished)
        hidden, state, _ = decoder.next_hidden(embedded[unfinished, t], encoded, state)
        outputs.append(hidden)
    targets = torch.cat([batch.tokens[:size, t] for t, size in enumerate(batch.batch_sizes)])
    return decoder.logits(torch.cat(outputs)), targets


def epoch_batches(
    dataset: CaptionDataset, captions: int, size: int, rng: np.random.Generator
) -> Iterator[tuple[list[int], Batch]]:
    """Every training item once, ``size`` items at a time, each with at most ``captions`` random captions."""
    order = rng.permutation(dataset.train)
    for start in range(0, len(order), size):
        numbers = order[start : start + size].tolist()
        chosen = []
        for place, n in enumerate(numbers):
            own = dataset.sentences[n]
            chosen += [(place, own[k]) for k in rng.choice(len(own), min(captions, len(own)), replace=False)]
        yield numbers, make_batch(chosen)


@torch.inference_mode()
def validation_captions(
    decoder: ShowAndTellDecoder, dataset: CaptionDataset, width: int, batch: int = 50
) -> list[Caption]:
    """The best caption of every validation item, by beam search."""
    card = {"vocabulary": " ".join(dataset.vocabulary.words), "threshold": 0.0, "limits": []}
    model, captions = CaptionModel(decoder, card), []
    for start in range(0, len(dataset.val), batch):
        encoded = decoder.encode(*dataset.encoder_input(dataset.val[start : start + batch]))
        captions += model.describe_words(encoded, [best[0] for best in model.search(encoded, width)])
    return captions


def confidence_threshold(captions: list[Caption], references: list[list[str]]) -> float:
    """The confidence below which a caption is shown as a guess: the highest one such that the captions up to it have
    at most half of the mean CIDEr of all captions. 0 if there is none."""
    cider = np.array(cider_per_caption([c.text for c in captions], references))
    confidence = np.array([c.confidence for c in captions])
    order = confidence.argsort()
    poor = np.flatnonzero(cider[order].cumsum() / np.arange(1, len(order) + 1) <= cider.mean() / 2)
    return float(confidence[order[poor[-1]]]) if len(poor) else 0.0


def fit(dataset: CaptionDataset, args: argparse.Namespace) -> ShowAndTellDecoder:
    """The averaged weights of the epoch with the best greedy CIDEr on the validation items."""
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    decoder = DECODERS[args.kind](args.cell, len(dataset.vocabulary), FEATURE_SIZE, HIDDEN, EMBEDDED)
    if args.kind == "clip":
        init_from_photo_captioner(decoder, dataset.vocabulary, args.cell, args.out)
    average = MovingAverage(decoder, EMA_DECAY)
    steps = math.ceil(len(dataset.train) / args.batch) * args.epochs
    optimiser, schedule = adamw_one_cycle(decoder.parameters(), args.rate, args.decay, steps, warm_up=0.05)
    best, best_cider, started = copy.deepcopy(decoder), -1.0, time.time()
    for epoch in range(1, args.epochs + 1):
        total, tokens = 0.0, 0
        for numbers, batch in epoch_batches(dataset, args.captions, args.batch, rng):
            encoded = decoder.encode(*dataset.encoder_input(numbers, rng))
            logits, targets = teacher_forced_logits(decoder, encoded, batch)
            loss = F.cross_entropy(logits, targets, ignore_index=UNKNOWN, label_smoothing=LABEL_SMOOTHING)
            optimiser_step(loss, optimiser, schedule, decoder.parameters())
            average.update_parameters(decoder)
            total, tokens = total + float(loss.detach()) * len(targets), tokens + len(targets)
        line = f"{args.kind} {args.cell} epoch {epoch}: loss {total / tokens:.3f}, {time.time() - started:.0f} s"
        if epoch % 2 == 0 or epoch == args.epochs:
            captions = validation_captions(average.module.eval(), dataset, width=1)
            figures = caption_metrics([caption.text for caption in captions], dataset.references)
            line += f", greedy on val: BLEU-4 {figures['BLEU-4']:.3f}, CIDEr {figures['CIDEr']:.3f}"
            if figures["CIDEr"] > best_cider:
                best, best_cider = copy.deepcopy(average.module), figures["CIDEr"]
        print(line, flush=True)
    return best.eval()


def init_from_photo_captioner(decoder: ShowAndTellDecoder, vocabulary: Vocabulary, cell: str, weights: Path) -> None:
    """Copy the weights of the photo captioner with the same cell; words are matched by their spelling."""
    photo = load_caption("photo", cell, weights)
    photo_state = dict(photo.decoder.state_dict())
    ids = torch.tensor(photo.vocabulary.encode(vocabulary.tokens))
    shared = ids != UNKNOWN
    state = decoder.state_dict()
    for name in ("embed.weight", "bias"):
        state[name][shared] = photo_state.pop(name)[ids[shared]]
    decoder.load_state_dict({**state, **photo_state})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=DECODERS)
    parser.add_argument("--cache", type=Path, required=True, help="folder written by training.feature_cache")
    parser.add_argument("--out", type=Path, default=Path("weights"), help="folder for the checkpoint")
    parser.add_argument("--cell", choices=CELLS, default="lstm")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=64, help="photos or clips per step")
    parser.add_argument("--captions", type=int, default=3, help="captions of each item per epoch")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--decay", type=float, default=0.02, help="weight decay")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    dataset = CaptionDataset(args.kind, args.cache)
    decoder = fit(dataset, args)
    flags = f"--cell {args.cell} --epochs {args.epochs} --batch {args.batch} --captions {args.captions}"
    command = f"python -m training.caption {args.kind} {flags} --rate {args.rate} --decay {args.decay}"
    save(decoder, dataset, args.kind, args.cell, f"{command} --seed {args.seed}", args.seed, args.out)


def save(
    decoder: ShowAndTellDecoder, dataset: CaptionDataset, kind: str, cell: str, command: str, seed: int, folder: Path
) -> None:
    """Caption the validation items by beam search, choose the confidence threshold, and write weights and card."""
    captions = validation_captions(decoder, dataset, BEAM)
    figures = caption_metrics([caption.text for caption in captions], dataset.references)
    threshold = round(confidence_threshold(captions, dataset.references), 4)
    print(f"{kind} {cell}, beam {BEAM} on val: {figures}; confidence threshold {threshold}", flush=True)
    card = {
        "model": f"captioner: {DECODERS[kind].__name__}",
        "kind": kind,
        "cell": cell,
        "features": FEATURE_SIZE,
        "hidden": HIDDEN,
        "embedded": EMBEDDED,
        "backbone": DEFAULT_BACKBONE,
        "command": command,
        "seed": seed,
        "data": [CAPTION_SOURCE[kind]],
        "limits": LIMITS[CAPTION_SOURCE[kind]],
        "threshold": threshold,
        "val": {"photos_or_clips": len(dataset.val), "beam": BEAM, **figures},
        "vocabulary": " ".join(dataset.vocabulary.words),
    }
    tensors = {name: tensor.half() for name, tensor in decoder.state_dict().items()}
    save_checkpoint(folder / f"caption-{kind}-{cell}", tensors, card)


if __name__ == "__main__":
    main()
