"""Go on fitting a captioner on what it says itself: self-critical sequence training.

    python -m training.caption photo --cache cache
    python -m training.reinforce photo --cache cache

Teacher forcing never lets a network hear its own words, and scores each word instead of the sentence. Here it draws
five captions of a picture, each is scored by CIDEr against the human ones (``pycocoevalcap``; the rarity of words is
that of the training captions), and those better than the mean of the other four become likelier, the worse ones less
likely (Rennie et al. 2017; the baseline of Luo 2020, "A Better Variant of Self-Critical Sequence Training").

The epoch with the best greedy CIDEr on val is taken, and the mean of its weights and those it began with replaces them:
half-way between the two, sentences by beam search are better than at either end (Wortsman et al. 2022, "Robust
fine-tuning of zero-shot models").
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
from training.caption import Examples, captions_on_val, lesson, save, teacher_forced
from training.metrics import CaptionReward, caption_metrics, plain

DRAWN = 5  # captions of each picture


@torch.inference_mode()
def drawn(decoder: ShowAndTellDecoder, scene: EncoderOutput, generator: torch.Generator) -> list[list[int]]:
    """One sentence for each picture of the scene, every word drawn from its distribution."""
    batch = len(scene.mean)
    state, last, ended = decoder.init_state(scene), torch.full((batch,), START), torch.zeros(batch, dtype=torch.bool)
    words = []
    for _ in range(MAX_WORDS):
        log_p, state, _ = decoder.step(last, scene, state)
        last = torch.multinomial(log_p.exp(), 1, generator=generator)[:, 0].where(~ended, torch.tensor(END))
        ended |= last == END
        words.append(last)
        if ended.all():
            break
    rows = torch.stack(words, 1).tolist()
    return [row[: row.index(END)] if END in row else row for row in rows]


def advantages(rewards: np.ndarray) -> np.ndarray:
    """(B, K) rewards of K sentences of a picture -> each less the mean of the others."""
    count = rewards.shape[1]
    return rewards - (rewards.sum(1, keepdims=True) - rewards) / (count - 1)


def policy_loss(
    decoder: ShowAndTellDecoder, scene: EncoderOutput, sentences: list[tuple[int, list[int]]], worth: Tensor
) -> Tensor:
    """Minus the log-likelihood of drawn sentences, each weighted by what it is worth; a mean over all words."""
    told = lesson(sentences)
    logits, truth = teacher_forced(decoder, scene, told)
    log_p = logits.log_softmax(1).gather(1, truth[:, None])[:, 0]
    weight = torch.cat([worth[told.order[:count]] for count in told.counts])
    return -(log_p * weight).mean()


def fit(examples: Examples, decoder: ShowAndTellDecoder, args: argparse.Namespace) -> ShowAndTellDecoder:
    rng, generator = np.random.default_rng(args.seed), torch.Generator().manual_seed(args.seed)
    references = [list(examples.items[n].captions) for n in examples.val]
    reward = CaptionReward([examples.items[n].captions for n in examples.train])
    optimiser = torch.optim.Adam(decoder.parameters(), args.rate)
    best, best_cider, started = copy.deepcopy(decoder), cider_on_val(decoder, examples, references), time.time()
    print(f"begins with CIDEr {best_cider:.3f}, greedy on val", flush=True)
    for epoch in range(1, args.epochs + 1):
        order, rewards = rng.permutation(examples.train), []
        for start in range(0, len(order), args.batch):
            numbers = order[start : start + args.batch].tolist()
            scene = decoder.encode(*examples.seen(numbers, rng))  # in eval(): the same network draws and learns
            places = torch.arange(len(numbers)).repeat_interleave(DRAWN)
            said = drawn(decoder, select_rows(scene, places), generator)
            texts = [plain(" ".join(examples.vocabulary[t] for t in tokens)) for tokens in said]
            found = reward.of(texts, [examples.items[numbers[p]].captions for p in places.tolist()])
            worth = advantages(found.reshape(-1, DRAWN)).reshape(-1)
            loss = policy_loss(decoder, scene, list(zip(places.tolist(), said, strict=True)), torch.from_numpy(worth))
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(decoder.parameters(), 0.5)
            optimiser.step()
            rewards.append(found.mean())
        cider = cider_on_val(decoder, examples, references)
        line = f"epoch {epoch}: reward {np.mean(rewards):.3f}, CIDEr {cider:.3f} greedy on val"
        print(f"{args.kind} {args.cell} {line}, {time.time() - started:.0f} s", flush=True)
        if cider > best_cider:
            best, best_cider = copy.deepcopy(decoder), cider
    return best


def halfway(one: ShowAndTellDecoder, other: ShowAndTellDecoder) -> ShowAndTellDecoder:
    """The decoder whose weights are the mean of both."""
    mean, ends = copy.deepcopy(one), other.state_dict()
    mean.load_state_dict({name: (tensor + ends[name]) / 2 for name, tensor in one.state_dict().items()})
    return mean


def cider_on_val(decoder: ShowAndTellDecoder, examples: Examples, references: list[list[str]]) -> float:
    said = [caption.text for caption in captions_on_val(decoder, examples, width=1)]
    return caption_metrics(said, references)["CIDEr"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=DECODERS)
    parser.add_argument("--cache", type=Path, required=True, help="folder that training.features wrote")
    parser.add_argument("--out", type=Path, default=Path("weights"), help="where the captioner is, and will be")
    parser.add_argument("--cell", choices=CELLS, default="lstm")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch", type=int, default=32, help="photos or clips a step")
    parser.add_argument("--rate", type=float, default=4e-5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    examples = Examples(args.kind, args.cache)
    first = load_card(args.out / f"caption-{args.kind}-{args.cell}")["command"]
    prefix = load_caption(args.kind, args.cell, args.out).decoder
    decoder = halfway(prefix, fit(examples, copy.deepcopy(prefix), args))
    flags = f"--epochs {args.epochs} --batch {args.batch} --rate {args.rate} --seed {args.seed}"
    command = f"{first}; then python -m training.reinforce {args.kind} --cell {args.cell} {flags}"
    save(decoder, examples, args.kind, args.cell, command, args.seed, args.out)


if __name__ == "__main__":
    main()
