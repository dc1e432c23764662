"""Train the language models: letters of English words, words of captions, and a word remembered over many others.

    python -m training.language letters
    python -m training.language words
    python -m training.language countries --cell lstm gru rnn

``letters`` learns the 12,000 commonest English words of the package ``wordfreq`` (code Apache-2.0, data CC BY-SA 4.0).
Words are sampled with probabilities proportional to the square root of their frequency.

``words`` learns the training captions of Flickr8k and MSR-VTT. Captions are sampled with probabilities inversely
proportional to the frequency of their rarest word, and most samples begin at a random word of the caption. Words that
belong together, like clouds and sky, seldom occur in one caption, but often in the captions of one photo. Therefore
the embedding is initialised from co-occurrence within photos, and an auxiliary loss predicts, from every state, all
words of the photo's captions.

``countries`` learns generated text: "i grew up in france", some unrelated sentences, "i speak fluent french". Its card
holds the share of correct languages on new text, for each number of sentences between.

On two cores letters take 158 s, words 98 s, and each cell of countries 83 s or less.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.models.checkpoint import save_checkpoint
from pipeline.models.language import LanguageModel, LanguageNetwork
from pipeline.models.recurrent import CELLS, LSTMCell
from pipeline.models.vocabulary import END, SPECIAL, START, UNKNOWN, Vocabulary, tokenize
from training.data import load_items
from training.loop import adamw_one_cycle, optimiser_step

SIZES = {"letters": (256, 48), "words": (256, 128), "countries": (128, 64)}  # hidden, embedded
STEPS = {"letters": 2200, "words": 1700, "countries": 1500}
BATCH = {"letters": 256, "words": 96, "countries": 64}
RATE = {"letters": 4e-3, "words": 4e-3, "countries": 3e-3}
DROPOUT = {"letters": 0.0, "countries": 0.1}  # none for letters: the spelling is to be memorised
COMMON_WORDS = 12_000
MIN_COUNT = 10  # a word of the captions joins the vocabulary if it occurs at least so often
MAX_CAPTION_WORDS = 24
COUNTED_CAPTIONS = {"flickr8k": 5, "msrvtt": 2}  # captions of each photo or video that the vocabulary is counted in
PHOTO_WORDS_WEIGHT = 0.3  # of the auxiliary loss
RANDOM_START_SHARE = 0.7  # of the captions that are read from a random word on
SORTED_BATCHES = 32  # batches sampled at once and sorted by length, to keep padding short
GROWTH_SHARE = 0.7  # of the training steps, in which the maximum of sentences between grows to MAX_BETWEEN
MAX_BETWEEN = 10  # sentences between the country and the language
MEASURED_BETWEEN = (0, 1, 2, 4, 6, 8, 10, 15, 20, 30, 40, 60, 80)  # also more than occur in training
TEXTS_PER_DISTANCE = 200  # for each accuracy in the card

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
SUBJECTS = (
    "my brother|my sister|my teacher|our neighbour|the old man|a friend of mine|her uncle|the boy next door".split("|")
)
VERBS = "liked|painted|bought|sold|cleaned|lost|found|talked about|dreamed of|looked for".split("|")
OBJECTS = (
    "the red bicycle|a small boat|the green door|an old piano|the long road|a new camera|two dogs|the garden".split("|")
)
TIMES = "in the morning|on sundays|last summer|every winter|at night|after school|before dinner|once a year".split("|")


def filler_sentence(rng: np.random.Generator) -> str:
    return " ".join(rng.choice(part) for part in (SUBJECTS, VERBS, OBJECTS, TIMES))


def country_example(between: int, rng: np.random.Generator) -> tuple[str, str]:
    """A text with ``between`` sentences between the country and its end, and the language that comes next."""
    country = rng.choice(list(LANGUAGES))
    middle = [filler_sentence(rng) for _ in range(between)]
    return " ".join([f"i grew up in {country}", *middle, "i speak fluent"]), LANGUAGES[country]


class LetterCorpus:
    """English words, as sequences of letters."""

    unit = "letter"
    data: tuple[str, ...] = ("the 12,000 commonest English words of the package wordfreq 3 (data CC BY-SA 4.0)",)
    limits: tuple[str, ...] = (
        "It knows English words of a to z up to 14 letters, by their spelling alone; names and other languages only as "
        "far as they look English.",
    )

    def __init__(self) -> None:
        from wordfreq import get_frequency_dict

        frequency = get_frequency_dict("en", "large")
        words = [w for w in frequency if w.isascii() and w.isalpha() and 3 <= len(w) <= 14][:COMMON_WORDS]
        self.vocabulary = Vocabulary("abcdefghijklmnopqrstuvwxyz")
        self.texts = [self.vocabulary.encode(word) for word in words]
        weight = np.sqrt([frequency[word] for word in words])
        self.probability = weight / weight.sum()

    def sample(self, count: int, rng: np.random.Generator, progress: float = 1.0) -> list[list[int]]:
        return [self.texts[k] for k in rng.choice(len(self.texts), count, p=self.probability)]

    token_weights = staticmethod(torch.ones_like)


class CaptionCorpus:
    """Captions of photos and videos, as sequences of words, with the words of all captions of the same photo."""

    unit = "word"
    data: tuple[str, ...] = (
        "Flickr8k, Karpathy split, training captions",
        "MSR-VTT, official split, training captions",
    )
    limits: tuple[str, ...] = (
        "It learned from descriptions of photos and clips: it continues descriptions, not conversations.",
    )

    def __init__(self) -> None:
        items = [item for item in load_items() if not item.is_validation and item.captions]
        captions = [[tokenize(caption) for caption in item.captions] for item in items]
        counted = [
            words[:MAX_CAPTION_WORDS]
            for item, own in zip(items, captions, strict=True)
            for words in own[: COUNTED_CAPTIONS[item.source]]
        ]
        self.vocabulary = Vocabulary.of(counted, MIN_COUNT)
        groups = [[self.vocabulary.encode(words[:MAX_CAPTION_WORDS]) for words in own if words] for own in captions]
        self.texts = [text for group in groups for text in group]
        self.photo = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
        counts = np.bincount([token for text in self.texts for token in text], minlength=len(self.vocabulary))
        share = np.array([COUNTED_CAPTIONS["flickr8k"] / len(groups[k]) for k in self.photo])  # all items count alike
        weight = share / np.array([counts[text].min() for text in self.texts])
        self.probability = weight / weight.sum()
        self.photo_words = torch.zeros(len(items), len(self.vocabulary))  # 1 if a caption of the photo has the word
        for k, own in enumerate(captions):
            self.photo_words[k, [token for words in own for token in self.vocabulary.encode(words)]] = 1
        self.photo_words[:, UNKNOWN] = 0
        # Targets of the auxiliary loss, a distribution for each photo: rare words tell more about it.
        weighted = self.photo_words * torch.tensor(np.maximum(counts, 1) ** -0.5, dtype=torch.float32)
        self.word_targets = weighted / weighted.sum(1, keepdim=True).clamp_min(1e-6)

    def batches(self, count: int, rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Endless: inputs and next tokens (B, N) as ``pad_texts`` gives them, and word targets of the photos (B, V)."""
        while True:
            sampled = rng.choice(len(self.texts), count * SORTED_BATCHES, p=self.probability)
            order = np.argsort([len(self.texts[k]) for k in sampled], kind="stable")
            batches = sampled[order].reshape(SORTED_BATCHES, count)
            for batch in rng.permutation(SORTED_BATCHES):
                texts = [self.texts[k] for k in batches[batch]]
                starts = [
                    int(rng.integers(max(1, len(t) - 3))) if rng.random() < RANDOM_START_SHARE else 0 for t in texts
                ]
                inputs, next_tokens = pad_texts([t[k:] for t, k in zip(texts, starts, strict=True)])
                next_tokens[torch.tensor(starts) > 0, 0] = UNKNOWN  # START before an inner word: not to be learned
                yield inputs, next_tokens, self.word_targets[self.photo[batches[batch]]]


class CountryCorpus:
    """Generated texts: a country, unrelated sentences, the language of the country."""

    unit = "word"
    data: tuple[str, ...] = ("text made by training/language.py: a country, sentences about nothing, the language",)
    limits: tuple[str, ...] = (
        "It knows ten countries and one way to tell of them; every other word is unknown to it.",
    )

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        texts = [tokenize(" ".join(country_example(4, rng))) for _ in range(2000)]
        self.vocabulary = Vocabulary.of(texts, 1)

    def sample(self, count: int, rng: np.random.Generator, progress: float = 1.0) -> list[list[int]]:
        """Texts with the same number of sentences between, which keeps padding short. ``progress``, from 0 to 1, is
        the share of the training steps that are done."""
        between = int(rng.integers(0, int(1 + MAX_BETWEEN * min(1.0, progress / GROWTH_SHARE))))
        return [self.vocabulary.encode(tokenize(" ".join(country_example(between, rng)))) for _ in range(count)]

    @staticmethod
    def token_weights(next_tokens: Tensor) -> Tensor:
        """The weight of each token in the loss, (B, N). The language, which comes right before the end, counts as much
        as the other words of its text together."""
        language = F.pad(next_tokens[:, 1:] == END, (0, 1))
        return torch.where(language, next_tokens.shape[1], 1).float()


SampledCorpus = LetterCorpus | CountryCorpus  # trained by ``fit``
Corpus = SampledCorpus | CaptionCorpus  # CaptionCorpus is trained by ``fit_words``
CORPORA: dict[str, Callable[[], Corpus]] = {
    "letters": LetterCorpus,
    "words": CaptionCorpus,
    "countries": CountryCorpus,
}


def ppmi_embeddings(photo_words: Tensor, size: int) -> Tensor:
    """Word vectors (V, size) of length 1. Words that occur in captions of the same photos have similar vectors.

    The vectors are the leading eigenvectors of the matrix of positive pointwise mutual information, with context
    counts smoothed by the power 0.75 (Levy, Goldberg & Dagan 2015, "Improving distributional similarity with lessons
    learned from word embeddings"). ``photo_words`` (photos, V) is 1 where a word occurs in the captions of a photo.
    """
    cooccurrence = photo_words.T @ photo_words
    cooccurrence.fill_diagonal_(0)
    word = cooccurrence.sum(1)
    context = word**0.75
    independent = (word / word.sum())[:, None] * (context / context.sum())[None]
    joint = cooccurrence / cooccurrence.sum()
    ppmi = torch.log(joint.clamp_min(1e-12) / independent.clamp_min(1e-12)).clamp_min(0)
    values, vectors = torch.linalg.eigh(((ppmi + ppmi.T) / 2).double())
    leading = values.argsort(descending=True)[:size]
    return F.normalize((vectors[:, leading] * values[leading].clamp_min(0) ** 0.5).float(), dim=1)


def pad_texts(texts: list[list[int]]) -> tuple[Tensor, Tensor]:
    """-> inputs, which begin with START, and the token after each input, (B, N). UNKNOWN marks tokens that the loss
    ignores."""
    longest = max(map(len, texts)) + 1
    next_tokens = torch.tensor([[*t, END, *[UNKNOWN] * (longest - len(t) - 1)] for t in texts])
    return F.pad(next_tokens[:, :-1], (1, 0), value=START), next_tokens


def fit(name: str, cell: str, corpus: SampledCorpus, seed: int) -> LanguageNetwork:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network, steps = LanguageNetwork(cell, len(corpus.vocabulary), *SIZES[name]), STEPS[name]
    network.dropout.p = DROPOUT[name]
    optimiser, schedule = adamw_one_cycle(network.parameters(), RATE[name], 0.01, steps, warm_up=0.1)
    started = time.time()
    for step in range(1, steps + 1):
        inputs, next_tokens = pad_texts(corpus.sample(BATCH[name], rng, step / steps))
        losses = F.cross_entropy(network(inputs).transpose(1, 2), next_tokens, ignore_index=UNKNOWN, reduction="none")
        weight = corpus.token_weights(next_tokens) * (next_tokens != UNKNOWN)
        loss = (losses * weight).sum() / weight.sum()
        optimiser_step(loss, optimiser, schedule, network.parameters())
        if step % 100 == 0:
            print(f"{name} {cell} step {step}/{steps}: loss {loss:.3f}, {time.time() - started:.0f} s", flush=True)
    return network.eval()


def hidden_states(network: LanguageNetwork, inputs: Tensor) -> Tensor:
    """Every hidden state (B, N, H). For an LSTM torch's own kernel computes the same equations in half the time."""
    embedded, cell = network.embed(inputs), network.cell
    if not isinstance(cell, LSTMCell):
        return cell.scan(embedded)[0]
    zeros = embedded.new_zeros(1, len(inputs), cell.hidden_size)
    weights = (cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)
    return torch.lstm(embedded, (zeros, zeros), weights, True, 1, 0.0, True, False, True)[0]


def fit_words(cell: str, corpus: CaptionCorpus, seed: int) -> LanguageNetwork:
    """Learns the next word. An auxiliary readout, which is not saved, predicts from every state all words of the
    captions of the same photo (Caruana 1997, "Multitask learning")."""
    torch.manual_seed(seed)
    (hidden, size), rate, steps = SIZES["words"], RATE["words"], STEPS["words"]
    network = LanguageNetwork(cell, len(corpus.vocabulary), hidden, size)
    network.embed.weight.data = ppmi_embeddings(corpus.photo_words, size) * size**0.5 * 0.1
    network.embed.weight.data[: len(SPECIAL)] = torch.randn(len(SPECIAL), size) * 0.1
    photo_readout = nn.Linear(hidden, size)
    photo_bias = nn.Parameter(torch.zeros(len(corpus.vocabulary)))
    parameters = [*network.parameters(), *photo_readout.parameters(), photo_bias]
    optimiser, schedule = adamw_one_cycle(parameters, rate, 0.01, steps, warm_up=0.1)
    batches = corpus.batches(BATCH["words"], np.random.default_rng(seed))
    started = time.time()
    for step in range(1, steps + 1):
        inputs, next_tokens, word_targets = next(batches)
        learned = next_tokens != UNKNOWN
        hidden_state = hidden_states(network, inputs)[learned]
        loss = F.cross_entropy(network.logits(hidden_state), next_tokens[learned])
        photo_log_p = F.linear(photo_readout(hidden_state), network.embed.weight, photo_bias).log_softmax(1)
        photo_loss = -(photo_log_p * word_targets[learned.nonzero()[:, 0]]).sum(1).mean()
        optimiser_step(loss + PHOTO_WORDS_WEIGHT * photo_loss, optimiser, schedule, network.parameters())
        if step % 100 == 0:
            print(f"words {cell} step {step}/{steps}: loss {loss:.3f}, {time.time() - started:.0f} s", flush=True)
    return network.eval()


@torch.inference_mode()
def accuracy_by_distance(network: LanguageNetwork, vocabulary: Vocabulary, seed: int) -> dict[str, float]:
    """Number of sentences between -> share of new texts for which the likeliest next word is the language."""
    rng, accuracy = np.random.default_rng(seed), {}
    for between in MEASURED_BETWEEN:
        examples = [country_example(between, rng) for _ in range(TEXTS_PER_DISTANCE)]
        texts = [vocabulary.encode(tokenize(text)) for text, _ in examples]
        inputs, _ = pad_texts(texts)
        last = torch.tensor([len(text) for text in texts])  # the place of each text's last word; then comes padding
        predicted = network(inputs)[torch.arange(len(texts)), last].argmax(1).tolist()
        correct = [vocabulary[k] == language for k, (_, language) in zip(predicted, examples, strict=True)]
        accuracy[str(between)] = round(float(np.mean(correct)), 3)
    return accuracy


def sample_outputs(name: str, model: LanguageModel) -> Iterator[str]:
    """Lines to print after training: completions of some beginnings."""
    if name == "letters":
        for prefix in ("hell", "mornin", "langua", "neur", "netw"):
            yield f"{prefix}: " + ", ".join(f"{word} {p:.2f}" for word, p in model.complete(prefix))
    elif name == "words":
        for text in ("the clouds are in the", "a man is playing", "two dogs run through the"):
            yield f"{text}: " + ", ".join(f"{word} {p:.2f}" for word, p in model.next(text))


def make_card(name: str, cell: str, corpus: Corpus, network: LanguageNetwork, seed: int) -> dict[str, Any]:
    hidden, embedded = SIZES[name]
    card: dict[str, Any] = {
        "model": "language model: embedding, one recurrent cell, the embedding again",
        "cell": cell,
        "unit": corpus.unit,
        "hidden": hidden,
        "embedded": embedded,
        "command": f"python -m training.language {name} --cell {cell} --seed {seed}",
        "seed": seed,
        "data": corpus.data,
        "limits": corpus.limits,
        "vocabulary": " ".join(corpus.vocabulary.words),
    }
    if name == "countries":
        rng = np.random.default_rng(seed + 2)
        card |= {"country": "france", "middle": [filler_sentence(rng) for _ in range(MAX_BETWEEN)]}  # the page's text
        card["accuracy_by_sentences_between"] = accuracy_by_distance(network, corpus.vocabulary, seed + 1)
        print(cell, card["accuracy_by_sentences_between"], flush=True)
    return card


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=CORPORA)
    parser.add_argument("--cell", nargs="+", choices=CELLS, default=["lstm"])
    parser.add_argument("--out", type=Path, default=Path("weights"), help="folder for the checkpoints")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    corpus = CORPORA[args.name]()
    for cell in args.cell:
        if isinstance(corpus, CaptionCorpus):
            network = fit_words(cell, corpus, args.seed)
        else:
            network = fit(args.name, cell, corpus, args.seed)
        card = make_card(args.name, cell, corpus, network, args.seed)
        for line in sample_outputs(args.name, LanguageModel(network, card)):
            print(line, flush=True)
        tensors = {key: tensor.half() for key, tensor in network.state_dict().items()}
        save_checkpoint(args.out / f"language-{args.name}-{cell}", tensors, card)


if __name__ == "__main__":
    main()
