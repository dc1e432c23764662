"""Fit the language models: letters of English words, words of captions, and a word remembered over many others.

    python -m training.language letters
    python -m training.language words
    python -m training.language countries --cell lstm gru rnn

``letters`` learns the 12,000 commonest English words of the package ``wordfreq`` (code Apache-2.0, data CC BY-SA 4.0),
a word as often as the square root of its frequency. ``words`` learns the training captions of Flickr8k and MSR-VTT,
those with rare words more often: inversely to how often their rarest word occurs; most begin somewhere in the middle.
What belongs together it learns from photos, not from single captions, where clouds and sky seldom meet: the embedding
begins with the words found in captions of the same photo, and the state must also tell the photo's other words.
``countries`` learns text made here: "i grew up in france", some sentences about nothing, "i speak fluent french"; its
card holds how often the language was right on new text of the same kind, for each number of sentences between.

On two cores letters take 158 s, words 98 s, and each cell of countries 83 s or less.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from pipeline.models.checkpoint import save_checkpoint
from pipeline.models.language import LanguageModel, LanguageNetwork
from pipeline.models.recurrent import CELLS, LSTMCell
from pipeline.models.vocabulary import END, SPECIAL, START, UNKNOWN, Vocabulary, tokenize
from training.data import load_items

SIZES = {"letters": (256, 48), "words": (256, 128), "countries": (128, 64)}  # hidden, embedded
STEPS = {"letters": 2200, "words": 1700, "countries": 1500}
BATCH = {"letters": 256, "words": 96, "countries": 64}
RATE = {"letters": 4e-3, "words": 4e-3, "countries": 3e-3}
DROPOUT = {"letters": 0.0, "countries": 0.1}  # spelling is to be known by heart
COMMON_WORDS = 12_000
RARE = 10  # a word of a caption needs as many occurrences to be learned
LONGEST = 24  # words of a caption
CAPTIONS = {"flickr8k": 5, "msrvtt": 2}  # of each photo or video that the vocabulary is counted in
TOGETHER = 0.3  # weight of the photo's words in the loss
MIDDLE = 0.7  # of the captions, that begin at any word
SORTED = 32  # batches drawn at once and sorted by length, so that little is padding
GROWING = 0.7  # of the training, during which the number of sentences between grows to its most
BETWEEN = 10  # sentences at most, from the country to the language
MEASURED = (0, 1, 2, 4, 6, 8, 10, 15, 20, 30, 40, 60, 80)  # sentences between; farther than was ever learned
TEXTS_PER_DISTANCE = 200  # that the accuracy in the card is measured on

LANGUAGES = {
    "france": "french",
    "spain": "spanish",
    "germany": "german",
    "italy": "italian",
    "japan": "japanese",
    "china": "chinese",
    "russia": "russian",
    "greece": "greek",
    "turkey": "turkish",
    "poland": "polish",
}
WHO = "my brother|my sister|my teacher|our neighbour|the old man|a friend of mine|her uncle|the boy next door".split(
    "|"
)
DID = "liked|painted|bought|sold|cleaned|lost|found|talked about|dreamed of|looked for".split("|")
WHAT = "the red bicycle|a small boat|the green door|an old piano|the long road|a new camera|two dogs|the garden".split(
    "|"
)
WHEN = "in the morning|on sundays|last summer|every winter|at night|after school|before dinner|once a year".split("|")


def filler(rng: np.random.Generator) -> str:
    return " ".join(rng.choice(part) for part in (WHO, DID, WHAT, WHEN))


def story(between: int, rng: np.random.Generator) -> tuple[str, str]:
    """A text up to the gap, with ``between`` sentences in the middle, and the word that belongs into the gap."""
    country = rng.choice(list(LANGUAGES))
    middle = [filler(rng) for _ in range(between)]
    return " ".join([f"i grew up in {country}", *middle, "i speak fluent"]), LANGUAGES[country]


class Letters:
    unit = "letter"
    data = ("the 12,000 commonest English words of the package wordfreq 3 (data CC BY-SA 4.0)",)
    limits = (
        "It knows English words of a to z up to 14 letters, by their spelling alone; names and other languages only as "
        "far as they look English.",
    )

    def __init__(self) -> None:
        from wordfreq import get_frequency_dict

        known = get_frequency_dict("en", "large")
        words = [w for w in known if w.isascii() and w.isalpha() and 3 <= len(w) <= 14][:COMMON_WORDS]
        self.vocabulary = Vocabulary("abcdefghijklmnopqrstuvwxyz")
        self.texts = [self.vocabulary.encode(word) for word in words]
        weight = np.sqrt([known[word] for word in words])
        self.chance = weight / weight.sum()

    def draw(self, count: int, rng: np.random.Generator, share: float = 1.0) -> list[list[int]]:
        return [self.texts[k] for k in rng.choice(len(self.texts), count, p=self.chance)]

    weight = staticmethod(torch.ones_like)


class Words:
    unit = "word"
    data = ("Flickr8k, Karpathy split, training captions", "MSR-VTT, official split, training captions")
    limits = ("It learned from descriptions of photos and clips: it continues descriptions, not conversations.",)

    def __init__(self) -> None:
        items = [item for item in load_items() if not item.official_val and item.captions]
        said = [[tokenize(caption) for caption in item.captions] for item in items]
        first = [c[:LONGEST] for item, of in zip(items, said, strict=True) for c in of[: CAPTIONS[item.source]]]
        self.vocabulary = Vocabulary.of(first, RARE)
        groups = [[self.vocabulary.encode(caption[:LONGEST]) for caption in of if caption] for of in said]
        self.texts = [text for group in groups for text in group]
        self.photo = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
        counts = np.bincount([token for text in self.texts for token in text], minlength=len(self.vocabulary))
        share = np.array([CAPTIONS["flickr8k"] / len(groups[k]) for k in self.photo])  # a video counts as a photo
        weight = share / np.array([counts[text].min() for text in self.texts])
        self.chance = weight / weight.sum()
        self.together = torch.zeros(len(items), len(self.vocabulary))  # whether a word is said of a photo
        for k, of in enumerate(said):
            self.together[k, [token for caption in of for token in self.vocabulary.encode(caption)]] = 1
        self.together[:, UNKNOWN] = 0
        told = self.together * torch.tensor(np.maximum(counts, 1) ** -0.5, dtype=torch.float32)
        self.told = told / told.sum(1, keepdim=True).clamp_min(1e-6)  # rare words say more of what is seen

    def draw(self, count: int, rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Without end: inputs and what follows (B, N) as in ``padded``, and the words of their photos (B, V)."""
        while True:
            drawn = rng.choice(len(self.texts), count * SORTED, p=self.chance)
            order = np.argsort([len(self.texts[k]) for k in drawn], kind="stable")
            batches = drawn[order].reshape(SORTED, count)
            for batch in rng.permutation(SORTED):
                texts = [self.texts[k] for k in batches[batch]]
                init_state = [int(rng.integers(max(1, len(t) - 3))) if rng.random() < MIDDLE else 0 for t in texts]
                inputs, next_tokens = padded([t[k:] for t, k in zip(texts, init_state, strict=True)])
                next_tokens[torch.tensor(init_state) > 0, 0] = UNKNOWN  # no caption began there: nothing to learn of it
                yield inputs, next_tokens, self.told[self.photo[batches[batch]]]


class Countries:
    unit = "word"
    data = ("text made by training/language.py: a country, sentences about nothing, the language",)
    limits = ("It knows ten countries and one way to tell of them; every other word is unknown to it.",)

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        sample = [tokenize(" ".join(story(4, rng))) for _ in range(2000)]
        self.vocabulary = Vocabulary.of(sample, 1)

    def draw(self, count: int, rng: np.random.Generator, share: float = 1.0) -> list[list[int]]:
        """Texts with as many sentences between, so that none waits for a much longer one."""
        between = int(rng.integers(0, 1 + BETWEEN * min(1.0, share / GROWING)))
        return [self.vocabulary.encode(tokenize(" ".join(story(between, rng)))) for _ in range(count)]

    @staticmethod
    def weight(next_tokens: Tensor) -> Tensor:
        """Of each token in the loss: the language, which comes right before the end, is what is to be learned."""
        language = F.pad(next_tokens[:, 1:] == END, (0, 1))
        return torch.where(language, next_tokens.shape[1], 1).float()


def meaning(together: Tensor, size: int) -> Tensor:
    """Words as vectors (V, size) of one length, near each other when they are said of the same photos: the eigenvectors
    of the positive pointwise mutual information, contexts smoothed by the power of 0.75 (Levy, Goldberg & Dagan 2015,
    Improving distributional similarity with lessons learned from word embeddings). ``together`` is (photos, V)."""
    pairs = together.T @ together
    pairs.fill_diagonal_(0)
    word = pairs.sum(1)
    context = word**0.75
    independent = (word / word.sum())[:, None] * (context / context.sum())[None]
    information = torch.log((pairs / pairs.sum()).clamp_min(1e-12) / independent.clamp_min(1e-12)).clamp_min(0)
    values, vectors = torch.linalg.eigh(((information + information.T) / 2).double())
    most = values.argsort(descending=True)[:size]
    return F.normalize((vectors[:, most] * values[most].clamp_min(0) ** 0.5).float(), dim=1)


CORPORA = {"letters": Letters, "words": Words, "countries": Countries}
Corpus = Letters | Countries  # those that ``fit`` learns; ``fit_words`` learns Words


def padded(texts: list[list[int]]) -> tuple[Tensor, Tensor]:
    """-> inputs from START on and what follows each, (B, N); UNKNOWN where nothing is to be learned."""
    longest = max(map(len, texts)) + 1
    next_tokens = torch.tensor([[*t, END, *[UNKNOWN] * (longest - len(t) - 1)] for t in texts])
    return F.pad(next_tokens[:, :-1], (1, 0), value=START), next_tokens


def descend(loss: Tensor, network: nn.Module, optimiser: Optimizer, schedule: LRScheduler) -> None:
    """One step downhill."""
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()
    schedule.step()


def fit(name: str, cell: str, corpus: Corpus, args: argparse.Namespace) -> LanguageNetwork:
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    network, steps = LanguageNetwork(cell, len(corpus.vocabulary), *SIZES[name]), STEPS[name]
    network.dropout.p = DROPOUT[name]
    optimiser = torch.optim.AdamW(network.parameters(), RATE[name], weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE[name], total_steps=steps, pct_start=0.1)
    started = time.time()
    for step in range(1, steps + 1):
        inputs, next_tokens = padded(corpus.draw(BATCH[name], rng, step / steps))
        each = F.cross_entropy(network(inputs).transpose(1, 2), next_tokens, ignore_index=UNKNOWN, reduction="none")
        weight = corpus.weight(next_tokens) * (next_tokens != UNKNOWN)
        loss = (each * weight).sum() / weight.sum()
        descend(loss, network, optimiser, schedule)
        if step % 100 == 0:
            print(f"{name} {cell} step {step}/{steps}: loss {loss:.3f}, {time.time() - started:.0f} s", flush=True)
    return network.eval()


def states(network: LanguageNetwork, inputs: Tensor) -> Tensor:
    """Every hidden state (B, N, H); of an LSTM by torch's own, the same equations in half the time."""
    embedded, cell = network.embed(inputs), network.cell
    if not isinstance(cell, LSTMCell):
        return cell.scan(embedded)[0]
    zeros = embedded.new_zeros(1, len(inputs), cell.hidden_size)
    weights = (cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)
    return torch.lstm(embedded, (zeros, zeros), weights, True, 1, 0.0, True, False, True)[0]


def fit_words(cell: str, corpus: Words, args: argparse.Namespace) -> LanguageNetwork:
    """Learn the next word, and beside it from every state all words said of the same photo, by a second readout that is
    then thrown away (an auxiliary loss, Caruana 1997, Multitask learning)."""
    torch.manual_seed(args.seed)
    (hidden, size), rate, steps = SIZES["words"], RATE["words"], STEPS["words"]
    network = LanguageNetwork(cell, len(corpus.vocabulary), hidden, size)
    network.embed.weight.data = meaning(corpus.together, size) * size**0.5 * 0.1
    network.embed.weight.data[: len(SPECIAL)] = torch.randn(len(SPECIAL), size) * 0.1
    photo = nn.Linear(hidden, size)
    common = nn.Parameter(torch.zeros(len(corpus.vocabulary)))
    optimiser = torch.optim.AdamW([*network.parameters(), *photo.parameters(), common], rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.1)
    batches = corpus.draw(BATCH["words"], np.random.default_rng(args.seed))
    started = time.time()
    for step in range(1, steps + 1):
        inputs, next_tokens, told = next(batches)
        known = next_tokens != UNKNOWN
        state = states(network, inputs)[known]
        loss = F.cross_entropy(network.logits(state), next_tokens[known])
        likely = F.linear(photo(state), network.embed.weight, common).log_softmax(1)
        both = loss - TOGETHER * (likely * told[known.nonzero()[:, 0]]).sum(1).mean()
        descend(both, network, optimiser, schedule)
        if step % 100 == 0:
            print(f"words {cell} step {step}/{steps}: loss {loss:.3f}, {time.time() - started:.0f} s", flush=True)
    return network.eval()


@torch.inference_mode()
def accuracy_by_distance(network: LanguageNetwork, corpus: Corpus, seed: int) -> dict[str, float]:
    """Sentences between -> how often the likeliest next word is the language, on new texts."""
    rng, found = np.random.default_rng(seed), {}
    for between in MEASURED:
        stories = [story(between, rng) for _ in range(TEXTS_PER_DISTANCE)]
        texts = [corpus.vocabulary.encode(tokenize(text)) for text, _ in stories]
        inputs, _ = padded(texts)
        after = torch.tensor([len(text) for text in texts])  # the last word of each; what follows it is padding
        said = network(inputs)[torch.arange(len(texts)), after].argmax(1).tolist()
        right = [corpus.vocabulary[k] == language for k, (_, language) in zip(said, stories, strict=True)]
        found[str(between)] = round(float(np.mean(right)), 3)
    return found


def examples(name: str, model: LanguageModel) -> Iterator[str]:
    if name == "letters":
        for prefix in ("hell", "mornin", "langua", "neur", "netw"):
            yield f"{prefix}: " + ", ".join(f"{word} {p:.2f}" for word, p in model.complete(prefix))
    elif name == "words":
        for text in ("the clouds are in the", "a man is playing", "two dogs run through the"):
            yield f"{text}: " + ", ".join(f"{word} {p:.2f}" for word, p in model.next(text))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=CORPORA)
    parser.add_argument("--cell", nargs="+", choices=CELLS, default=["lstm"])
    parser.add_argument("--out", type=Path, default=Path("weights"))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    corpus = CORPORA[args.name]()
    for cell in args.cell:
        network = fit_words(cell, corpus, args) if isinstance(corpus, Words) else fit(args.name, cell, corpus, args)
        hidden, embedded = SIZES[args.name]
        card: dict[str, Any] = {
            "model": "language model: embedding, one recurrent cell, the embedding again",
            "cell": cell,
            "unit": corpus.unit,
            "hidden": hidden,
            "embedded": embedded,
            "command": f"python -m training.language {args.name} --cell {cell} --seed {args.seed}",
            "seed": args.seed,
            "data": corpus.data,
            "limits": corpus.limits,
            "vocabulary": " ".join(corpus.vocabulary.words),
        }
        if args.name == "countries":
            rng = np.random.default_rng(args.seed + 2)
            card |= {"country": "france", "middle": [filler(rng) for _ in range(BETWEEN)]}  # a story to begin with
            card["accuracy_by_sentences_between"] = accuracy_by_distance(network, corpus, args.seed + 1)
            print(cell, card["accuracy_by_sentences_between"], flush=True)
        for line in examples(args.name, LanguageModel(network, card)):
            print(line, flush=True)
        tensors = {key: tensor.half() for key, tensor in network.state_dict().items()}
        save_checkpoint(args.out / f"language-{args.name}-{cell}", tensors, card)


if __name__ == "__main__":
    main()
