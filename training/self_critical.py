"""Train a captioner further with self-critical sequence training.

    python -m training.caption photo --cache cache
    python -m training.self_critical photo --cache cache

With teacher forcing a network never reads its own words, and the loss scores single words instead of the sentence.
Here five captions of a picture are sampled from the network. Each is scored by CIDEr against the human captions
(``pycocoevalcap``; document frequencies are those of the training captions). Captions better than the mean of the other
four become more likely, worse ones less likely (Rennie et al. 2017; the baseline is that of Luo 2020, "A Better Variant
of Self-Critical Sequence Training").

The epoch with the best greedy CIDEr on val is chosen. Saved is the mean of its weights and the weights before this
training: beam search gives better captions with the mean than with either (Wortsman et al. 2022, "Robust fine-tuning of
zero-shot models").
"""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline.models.caption import DECODERS, EncoderOutput, ShowAndTellDecoder, load_caption
from pipeline.models.checkpoint import load_card
from pipeline.models.decoding import MAX_WORDS, select_rows
from pipeline.models.recurrent import CELLS
from pipeline.models.vocabulary import END, START
from training.caption import CaptionDataset, make_batch, save, teacher_forced_logits, validation_captions
from training.loop import optimiser_step
from training.metrics import CaptionReward, caption_metrics, normalise_caption

SAMPLES = 5  # captions of each picture


@torch.inference_mode()
def sample_captions(decoder: ShowAndTellDecoder, encoded: EncoderOutput, generator: torch.Generator) -> list[list[int]]:
    """One caption for each picture, as token ids; every token is sampled from its distribution."""
    batch = len(encoded.mean)
    state, last = decoder.init_state(encoded), torch.full((batch,), START)
    ended = torch.zeros(batch, dtype=torch.bool)
    tokens = []
    for _ in range(MAX_WORDS):
        log_p, state, _ = decoder.step(last, encoded, state)
        last = torch.multinomial(log_p.exp(), 1, generator=generator)[:, 0].where(~ended, torch.tensor(END))
        ended |= last == END
        tokens.append(last)
        if ended.all():
            break
    rows = torch.stack(tokens, 1).tolist()
    return [row[: row.index(END)] if END in row else row for row in rows]


def advantages(rewards: np.ndarray) -> np.ndarray:
    """Rewards (B, K) of K captions of each picture -> each reward minus the mean of the other K - 1."""
    count = rewards.shape[1]
    return rewards - (rewards.sum(1, keepdims=True) - rewards) / (count - 1)


def policy_loss(
    decoder: ShowAndTellDecoder, encoded: EncoderOutput, sentences: list[tuple[int, list[int]]], advantage: Tensor
) -> Tensor:
    """Negative log-likelihood of sampled sentences, weighted by their advantage (S,); the mean over all tokens."""
    batch = make_batch(sentences)
    logits, targets = teacher_forced_logits(decoder, encoded, batch)
    log_p = logits.log_softmax(1).gather(1, targets[:, None])[:, 0]
    weight = torch.cat([advantage[batch.order[:size]] for size in batch.batch_sizes])
    return -(log_p * weight).mean()


def sampled_loss(
    decoder: ShowAndTellDecoder,
    dataset: CaptionDataset,
    numbers: list[int],
    reward: CaptionReward,
    rng: np.random.Generator,
    generator: torch.Generator,
) -> tuple[Tensor, float]:
    """The policy loss of new captions of these items, and their mean reward."""
    encoded = decoder.encode(*dataset.encoder_input(numbers, rng))  # in eval(): sampling and loss use equal networks
    places = torch.arange(len(numbers)).repeat_interleave(SAMPLES)
    captions = sample_captions(decoder, select_rows(encoded, places), generator)
    texts = [normalise_caption(" ".join(dataset.vocabulary[t] for t in tokens)) for tokens in captions]
    rewards = reward.score(texts, [dataset.items[numbers[p]].captions for p in places.tolist()])
    advantage = torch.from_numpy(advantages(rewards.reshape(-1, SAMPLES)).reshape(-1))
    sentences = list(zip(places.tolist(), captions, strict=True))
    return policy_loss(decoder, encoded, sentences, advantage), float(rewards.mean())


def fit(dataset: CaptionDataset, decoder: ShowAndTellDecoder, args: argparse.Namespace) -> ShowAndTellDecoder:
    """Trains the decoder in place. Returns a copy of the epoch with the best greedy CIDEr on the validation items."""
    rng, generator = np.random.default_rng(args.seed), torch.Generator().manual_seed(args.seed)
    reward = CaptionReward([dataset.items[n].captions for n in dataset.train])
    optimiser = torch.optim.Adam(decoder.parameters(), args.rate)
    best, best_cider, started = copy.deepcopy(decoder), validation_cider(decoder, dataset), time.time()
    print(f"CIDEr before training {best_cider:.3f}, greedy on val", flush=True)
    for epoch in range(1, args.epochs + 1):
        order, rewards = rng.permutation(dataset.train), []
        for start in range(0, len(order), args.batch):
            numbers = order[start : start + args.batch].tolist()
            loss, mean_reward = sampled_loss(decoder, dataset, numbers, reward, rng, generator)
            optimiser_step(loss, optimiser, clipped=decoder.parameters(), max_norm=0.5)
            rewards.append(mean_reward)
        cider = validation_cider(decoder, dataset)
        line = f"epoch {epoch}: reward {np.mean(rewards):.3f}, CIDEr {cider:.3f} greedy on val"
        print(f"{args.kind} {args.cell} {line}, {time.time() - started:.0f} s", flush=True)
        if cider > best_cider:
            best, best_cider = copy.deepcopy(decoder), cider
    return best


def average_weights(one: ShowAndTellDecoder, other: ShowAndTellDecoder) -> ShowAndTellDecoder:
    """A decoder whose weights are the mean of both."""
    mean, others = copy.deepcopy(one), other.state_dict()
    mean.load_state_dict({name: (tensor + others[name]) / 2 for name, tensor in one.state_dict().items()})
    return mean


def validation_cider(decoder: ShowAndTellDecoder, dataset: CaptionDataset) -> float:
    """CIDEr of greedy captions of the validation items."""
    captions = [caption.text for caption in validation_captions(decoder, dataset, width=1)]
    return caption_metrics(captions, dataset.references)["CIDEr"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=DECODERS)
    parser.add_argument("--cache", type=Path, required=True, help="folder written by training.feature_cache")
    parser.add_argument("--out", type=Path, default=Path("weights"), help="folder of the captioner; it is overwritten")
    parser.add_argument("--cell", choices=CELLS, default="lstm")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch", type=int, default=32, help="photos or clips per step")
    parser.add_argument("--rate", type=float, default=4e-5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    dataset = CaptionDataset(args.kind, args.cache)
    first_command = load_card(args.out / f"caption-{args.kind}-{args.cell}")["command"]
    start = load_caption(args.kind, args.cell, args.out).decoder
    decoder = average_weights(start, fit(dataset, copy.deepcopy(start), args))
    flags = f"--epochs {args.epochs} --batch {args.batch} --rate {args.rate} --seed {args.seed}"
    command = f"{first_command}; then python -m training.self_critical {args.kind} --cell {args.cell} {flags}"
    save(decoder, dataset, args.kind, args.cell, command, args.seed, args.out)


if __name__ == "__main__":
    main()
