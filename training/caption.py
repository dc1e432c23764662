"""Fit the captioners on cached features of the tuned encoder.

    python -m training.caption photo --cache cache          (looks at regions of a photo)
    python -m training.caption plain --cache cache          (is told once what is in the photo)
    python -m training.caption clip  --cache cache          (looks at frames of a clip; starts from the photo captioner)
    python -m training.reinforce photo --cache cache        (goes on from there, by what it says itself)
    python -m training.score caption photo plain clip

Photos and their captions are Flickr8k's (Karpathy split), clips MSR-VTT's. The official validation photos and videos
were never fitted to, not even by the encoder; every second epoch they are captioned greedily, and the weights of the
epoch with the best CIDEr are kept. Weights are an exponential moving average over steps, stored as float16.

Teacher forcing, cross-entropy with label smoothing, AdamW with one cosine.
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

from pipeline.models.caption import DECODERS, Caption, CaptionModel, EncoderOutput, ShowAndTellDecoder, load_caption
from pipeline.models.checkpoint import save_checkpoint
from pipeline.models.decoding import MAX_WORDS, select_rows
from pipeline.models.efficientnet_lite import FEATURE_SIZE
from pipeline.models.recurrent import CELLS
from pipeline.models.vocabulary import END, START, UNKNOWN, Vocabulary, tokenize
from training.data import CAPTION_SOURCE, load_items
from training.feature_cache import FRAME, FeatureCache
from training.metrics import caption_metrics, cider_of_each

HIDDEN, EMBEDDED = 384, 256
RARE = 5  # a word needs as many occurrences in the training captions to be learned
SMOOTHING = 0.1
EMA = 0.998
BEAM = 3
LIMITS = {
    "flickr8k": [
        "It learned from 6,000 photos of people and dogs doing things outdoors (Flickr8k, 30,000 captions), and "
        "speaks of little else; indoor scenes, documents, food or wildlife get the nearest outdoor sentence.",
        "It cannot read, count beyond a few, or name anybody; colours and sexes are often guessed.",
    ],
    "msrvtt": [
        "It learned from 3,151 web videos of 2010 to 2016 (MSR-VTT, 20 captions each), seen as 2 to 5 frames each, and "
        "from Flickr8k's photos before; it hears nothing and cannot read.",
        "Talking heads, cooking, games and sport are what it knows best; in doubt it says 'a man is talking'.",
    ],
}


class Examples:
    """Features and captions of one source, as batches to learn from and scenes to be judged on."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.items = load_items()
        cache = FeatureCache(folder)
        mine = [n for n, item in enumerate(self.items) if item.source == CAPTION_SOURCE[kind]]
        self.train = [n for n in mine if not self.items[n].official_val]
        self.val = [n for n in mine if self.items[n].official_val]
        self.rows = {n: cache.rows[n, FRAME] for n in mine}
        if kind == "clip":
            self.features = np.load(folder / "tuned.npy", mmap_mode="r")  # (N, D)
        else:
            self.features = np.load(folder / "regions.npy", mmap_mode="r")  # (2, photos, R, D): plain and mirrored
            photos = [n for n, item in enumerate(self.items) if item.source == "flickr8k"]
            self.place = {n: k for k, n in enumerate(photos)}
        self.vocabulary = Vocabulary.of((tokenize(c) for n in self.train for c in self.items[n].captions), RARE)
        self.sentences = {n: [self.sentence(c) for c in self.items[n].captions] for n in self.train}

    def sentence(self, caption: str) -> list[int]:
        return self.vocabulary.encode(tokenize(caption)[: MAX_WORDS - 1])

    def seen(self, numbers: list[int], rng: np.random.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Features (B, R, D) of these items and which of them exist (B, R); with ``rng`` varied, as training wants."""
        if self.kind != "clip":
            flips = np.zeros(len(numbers), int) if rng is None else rng.integers(0, 2, len(numbers))
            found = torch.from_numpy(self.features[flips, [self.place[n] for n in numbers]]).float()
            return found, torch.ones(found.shape[:2], dtype=torch.bool)
        chosen = [self.rows[n] if rng is None else self.varied(self.rows[n], rng) for n in numbers]
        longest = max(map(len, chosen))
        features, exists = torch.zeros(len(numbers), longest, FEATURE_SIZE), torch.zeros(len(numbers), longest)
        for b, rows in enumerate(chosen):
            features[b, : len(rows)] = torch.from_numpy(self.features[rows]).float()
            exists[b, : len(rows)] = 1
        return features, exists.bool()

    @staticmethod
    def varied(rows: list[int], rng: np.random.Generator) -> list[int]:
        """Some frames left out, all of them held for one to four steps: users' clips are read more densely."""
        kept = [row for row in rows if rng.random() > 0.2] or rows
        return [row for row in kept for _ in range(rng.choice([1, 1, 2, 4]))]


@dataclass(frozen=True)
class Lesson:
    """Sentences of a batch by falling length, and which item each belongs to."""

    order: Tensor  # (S,) its place in the list of sentences that was given
    item: Tensor  # (S,) the place of its item in the batch
    words: Tensor  # (S, N), padded with END
    counts: list[int]  # how many of the sentences still have a word to come, for each of the N steps


def lesson(sentences: list[tuple[int, list[int]]]) -> Lesson:
    """(place of the item, its sentence) -> padded, by falling length."""
    order = sorted(range(len(sentences)), key=lambda k: -len(sentences[k][1]))
    places, texts = zip(*(sentences[k] for k in order), strict=True)
    longest = len(texts[0]) + 1
    words = torch.tensor([text + [END] * (longest - len(text)) for text in texts])
    counts = [sum(len(text) >= t for text in texts) for t in range(longest)]
    return Lesson(torch.tensor(order), torch.tensor(places), words, counts)


def teacher_forced(decoder: ShowAndTellDecoder, scene: EncoderOutput, told: Lesson) -> tuple[Tensor, Tensor]:
    """-> logits (M, V) and the true words (M,) of all M steps that are not padding."""
    scene = select_rows(scene, told.item)
    state, heard = decoder.init_state(scene), []
    inputs = F.pad(told.words[:, :-1], (1, 0), value=START)
    embedded = decoder.dropout(decoder.embed(inputs))
    for t, count in enumerate(told.counts):
        alive = slice(count)  # the longest ones come first
        scene, state = select_rows(scene, alive), select_rows(state, alive)
        hidden, state, _ = decoder.next_hidden(embedded[alive, t], scene, state)
        heard.append(hidden)
    truth = torch.cat([told.words[:count, t] for t, count in enumerate(told.counts)])
    return decoder.logits(torch.cat(heard)), truth


def epoch_batches(
    examples: Examples, per_item: int, batch: int, rng: np.random.Generator
) -> Iterator[tuple[list[int], Lesson]]:
    """Every training item once, with some of its captions."""
    order = rng.permutation(examples.train)
    for start in range(0, len(order), batch):
        numbers = order[start : start + batch].tolist()
        chosen = []
        for place, n in enumerate(numbers):
            own = examples.sentences[n]
            chosen += [(place, own[k]) for k in rng.choice(len(own), min(per_item, len(own)), replace=False)]
        yield numbers, lesson(chosen)


@torch.inference_mode()
def captions_on_val(decoder: ShowAndTellDecoder, examples: Examples, width: int, batch: int = 50) -> list[Caption]:
    """The best caption by beam search of every validation item."""
    card = {"vocabulary": " ".join(examples.vocabulary.words), "threshold": 0.0, "limits": []}
    model, found = CaptionModel(decoder, card), []
    for start in range(0, len(examples.val), batch):
        scene = decoder.encode(*examples.seen(examples.val[start : start + batch]))
        found += model.describe_words(scene, [best[0] for best in model.search(scene, width)])
    return found


def guess_below(captions: list[Caption], references: list[list[str]]) -> float:
    """The confidence under which a caption is called a guess: the highest such that the captions under it have, on
    average, at most half the CIDEr of all. 0, if there is none."""
    cider = np.array(cider_of_each([c.text for c in captions], references))
    confidence = np.array([c.confidence for c in captions])
    order = confidence.argsort()
    poor = np.flatnonzero(cider[order].cumsum() / np.arange(1, len(order) + 1) <= cider.mean() / 2)
    return float(confidence[order[poor[-1]]]) if len(poor) else 0.0


def fit(examples: Examples, references: list[list[str]], args: argparse.Namespace) -> ShowAndTellDecoder:
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    decoder = DECODERS[args.kind](args.cell, len(examples.vocabulary), FEATURE_SIZE, HIDDEN, EMBEDDED)
    if args.kind == "clip":
        start_from_photos(decoder, examples.vocabulary, args.cell, args.out)
    average = copy.deepcopy(decoder)
    optimiser = torch.optim.AdamW(decoder.parameters(), args.rate, weight_decay=args.decay)
    steps = math.ceil(len(examples.train) / args.batch) * args.epochs
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, args.rate, total_steps=steps, pct_start=0.05)
    best, best_cider, started, done = copy.deepcopy(decoder), -1.0, time.time(), 0
    for epoch in range(1, args.epochs + 1):
        total, words = 0.0, 0
        for numbers, told in epoch_batches(examples, args.captions, args.batch, rng):
            logits, truth = teacher_forced(decoder, decoder.encode(*examples.seen(numbers, rng)), told)
            loss = F.cross_entropy(logits, truth, ignore_index=UNKNOWN, label_smoothing=SMOOTHING)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            total, words, done = total + float(loss.detach()) * len(truth), words + len(truth), done + 1
            with torch.no_grad():
                for mean, now in zip(average.parameters(), decoder.parameters(), strict=True):
                    mean.lerp_(now, 1 - min(EMA, done / (done + 10)))
        line = f"{args.kind} {args.cell} epoch {epoch}: loss {total / words:.3f}, {time.time() - started:.0f} s"
        if epoch % 2 == 0 or epoch == args.epochs:
            said = [caption.text for caption in captions_on_val(average.eval(), examples, width=1)]
            found = caption_metrics(said, references)
            line += f", greedy on val: BLEU-4 {found['BLEU-4']:.3f}, CIDEr {found['CIDEr']:.3f}"
            if found["CIDEr"] > best_cider:
                best, best_cider = copy.deepcopy(average), found["CIDEr"]
        print(line, flush=True)
    return best.eval()


def start_from_photos(decoder: ShowAndTellDecoder, vocabulary: Vocabulary, cell: str, weights: Path) -> None:
    """Take over what the photo captioner with the same cell knows; words are matched by their spelling."""
    photo = load_caption("photo", cell, weights)
    known = dict(photo.decoder.state_dict())
    numbers = torch.tensor(photo.vocabulary.encode(vocabulary.tokens))
    shared = numbers != UNKNOWN
    state = decoder.state_dict()
    for name in ("embed.weight", "bias"):
        state[name][shared] = known.pop(name)[numbers[shared]]
    decoder.load_state_dict({**state, **known})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=DECODERS)
    parser.add_argument("--cache", type=Path, required=True, help="folder that training.features wrote")
    parser.add_argument("--out", type=Path, default=Path("weights"))
    parser.add_argument("--cell", choices=CELLS, default="lstm")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=64, help="photos or clips a step")
    parser.add_argument("--captions", type=int, default=3, help="captions of each in an epoch")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--decay", type=float, default=0.02)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    examples = Examples(args.kind, args.cache)
    decoder = fit(examples, [list(examples.items[n].captions) for n in examples.val], args)
    flags = f"--cell {args.cell} --epochs {args.epochs} --batch {args.batch} --captions {args.captions}"
    command = f"python -m training.caption {args.kind} {flags} --rate {args.rate} --decay {args.decay}"
    save(decoder, examples, args.kind, args.cell, f"{command} --seed {args.seed}", args.seed, args.out)


def save(
    decoder: ShowAndTellDecoder, examples: Examples, kind: str, cell: str, command: str, seed: int, folder: Path
) -> None:
    """Measure on val with a beam, choose the threshold of a guess, and write weights and card."""
    references = [list(examples.items[n].captions) for n in examples.val]
    captions = captions_on_val(decoder, examples, BEAM)
    figures = caption_metrics([caption.text for caption in captions], references)
    threshold = round(guess_below(captions, references), 4)
    print(f"{kind} {cell}, beam {BEAM} on val: {figures}; a guess below {threshold}", flush=True)
    card = {
        "model": f"captioner: {DECODERS[kind].__name__}",
        "kind": kind,
        "cell": cell,
        "features": FEATURE_SIZE,
        "hidden": HIDDEN,
        "embedded": EMBEDDED,
        "backbone": "lite0-tuned",
        "command": command,
        "seed": seed,
        "data": [CAPTION_SOURCE[kind]],
        "limits": LIMITS[CAPTION_SOURCE[kind]],
        "threshold": threshold,
        "val": {"photos_or_clips": len(examples.val), "beam": BEAM, **figures},
        "vocabulary": " ".join(examples.vocabulary.words),
    }
    tensors = {name: tensor.half() for name, tensor in decoder.state_dict().items()}
    save_checkpoint(folder / f"caption-{kind}-{cell}", tensors, card)


if __name__ == "__main__":
    main()
