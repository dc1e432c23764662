"""Fit the image opinion and the image's side of "does anybody do anything" on cached features of pictures.

    python -m training.image_opinion --cache ../cache/pictures --out ../cache/image_opinion

The opinion is linear, the question has one hidden layer. The opinion begins with that of an older recogniser, whose
labels were learned with the encoder, and stays near it on pictures whose labels it has (distillation): fitted afresh on
frozen features, it lost on web videos. The image labels are those that pictures teach (training/labels.py), learned as
sets. Pictures are drawn as balanced in training/picture_cache.py. The printed figures are top-1 and top-5 accuracy on
held-out groups, by source, from the mean over an item's pictures as they are; and the share of the items for which the
question is answered rightly, where nobody acts and where somebody does.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pipeline.models.action import question_network
from pipeline.models.checkpoint import WEIGHTS, load_card
from pipeline.models.efficientnet_lite import FEATURE_SIZE
from training.evaluate import source_name
from training.labels import image_labels
from training.loop import adamw_one_cycle, optimiser_step
from training.picture_cache import PictureCache, right_image_labels

LABELLED, ASKED = 256, 192  # pictures of a batch, for each of the two
DROPOUT, DECAY = 0.3, 0.02
QUESTION_WEIGHTS = {"youcook2": 4.0, "sports22": 4.0}  # hands alone, players far away: easily taken for no action
DISTILLATION = 0.3
# How much the logits of labels that the older opinion lacks are lowered after the fit: in photos they are as common as
# the others, in videos they are rare (logit adjustment, Menon et al. 2021).
LOWERED = 1.0


class ImageOpinion(nn.Module):
    """Features (B, D) -> action logits (B, I) and the logit that somebody acts (B, 1)."""

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.action = nn.Linear(FEATURE_SIZE, labels)
        self.question = question_network()


def older_opinion(folder: Path) -> tuple[nn.Linear, list[str]]:
    """The image opinion of the recogniser in ``folder``, and its labels."""
    labels = load_card(folder / "action-lstm")["image_labels"]
    tensors = load_file(folder / "action-lstm.safetensors")
    layer = nn.Linear(FEATURE_SIZE, len(labels))
    layer.load_state_dict({part: tensors[f"image_opinion.{part}"].float() for part in ("weight", "bias")})
    return layer.requires_grad_(False), labels


class Drawn:
    """Random pictures: their features, and what is right for them."""

    def __init__(self, cache: PictureCache) -> None:
        self.features, self.item = torch.from_numpy(cache.features), torch.from_numpy(cache.item)
        self.right = torch.from_numpy(right_image_labels(cache.items))
        self.acts = torch.tensor([-1 if acts is None else int(acts) for acts in cache.acts])
        balance = torch.from_numpy(cache.balance)
        self.labelled = balance * self.right.any(1)[self.item]
        sources = torch.tensor([QUESTION_WEIGHTS.get(item.source, 1.0) for item in cache.items])
        self.asked = balance * (sources * (self.acts >= 0))[self.item]
        self.mean, self.std = self.features[::9].float().mean(0), self.features[::9].float().std(0) + 0.05
        nobody = (self.acts == 0)[self.item]
        self.asked[nobody] *= self.asked[~nobody].sum() / self.asked[nobody].sum()

    def draw(self, weight: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Features (count, D) and items (count,)."""
        rows = torch.multinomial(weight, count, True, generator=generator)
        return self.features[rows].float(), self.item[rows]


def fit(cache: PictureCache, older: Path, steps: int, seed: int) -> ImageOpinion:
    torch.manual_seed(seed)
    drawn, labels = Drawn(cache), image_labels()
    before, known = older_opinion(older)
    columns = torch.tensor([labels.index(label) for label in known])
    opinion = ImageOpinion(len(labels))
    with torch.no_grad():
        opinion.action.weight.zero_()
        opinion.action.bias.fill_(float(before.bias.min()) - 2)
        opinion.action.weight[columns], opinion.action.bias[columns] = before.weight, before.bias
    optimiser, schedule = adamw_one_cycle(opinion.parameters(), 1e-3, DECAY, steps, warm_up=0.1)
    pool = torch.Generator().manual_seed(seed)
    big = 200  # steps drawn at once
    started, total = time.time(), 0.0
    for step in range(steps):
        if step % big == 0:
            by_label = drawn.draw(drawn.labelled, big * LABELLED, pool)
            by_question = drawn.draw(drawn.asked, big * ASKED, pool)
        k = step % big
        features, item = (part[k * LABELLED : (k + 1) * LABELLED] for part in by_label)
        right, logits = drawn.right[item], opinion.action(F.dropout(features, DROPOUT))
        action = -logits.log_softmax(1).masked_fill(~right, -math.inf).logsumexp(1).mean()
        shared = right[:, columns].any(1)  # pictures of whose labels the older opinion has one
        now = opinion.action(features[shared])[:, columns].log_softmax(1)
        kept = F.kl_div(now, before(features[shared]).log_softmax(1), log_target=True, reduction="batchmean")
        features, item = (part[k * ASKED : (k + 1) * ASKED] for part in by_question)
        answers = opinion.question(F.dropout((features - drawn.mean) / drawn.std, DROPOUT))[:, 0]
        question = F.binary_cross_entropy_with_logits(answers, drawn.acts[item].float())
        optimiser_step(action + DISTILLATION * kept + question, optimiser, schedule, opinion.parameters())
        total += float(action.detach())
        if step % 500 == 499:
            print(f"step {step + 1}: {total / 500:.3f}, {time.time() - started:.0f} s", flush=True)
            total = 0.0
    read_unscaled(opinion.question[0], drawn.mean, drawn.std)
    with torch.no_grad():
        opinion.action.bias[[k for k, label in enumerate(labels) if label not in known]] -= LOWERED
    return opinion.eval()


@torch.no_grad()
def read_unscaled(layer: nn.Module, mean: Tensor, std: Tensor) -> None:
    """Change a linear layer that reads features of mean 0 and deviation 1 so that it reads them as they are."""
    assert isinstance(layer, nn.Linear)
    layer.weight.div_(std)
    layer.bias.sub_(layer.weight @ mean)


@torch.inference_mode()
def figures(opinion: ImageOpinion, cache: PictureCache) -> list[str]:
    rows = np.flatnonzero(cache.held_out & ~cache.alike)
    features = torch.from_numpy(cache.features[rows]).float()
    items, mean = cache.mean_by_item(rows, opinion.action(features).log_softmax(1))
    acts = cache.mean_by_item(rows, opinion.question(features))[1][:, 0] > 0
    right = torch.from_numpy(right_image_labels([cache.items[n] for n in items]))
    hits = right.gather(1, mean.topk(5).indices)
    by_source: dict[str, list[list[bool]]] = defaultdict(list)
    asked: dict[tuple[str, bool], list[bool]] = defaultdict(list)
    for k, n in enumerate(items.tolist()):
        source = source_name(cache.items[n].source)
        if right[k].any():
            by_source[source].append([bool(hits[k, 0]), bool(hits[k].any())])
        if (truth := cache.acts[n]) is not None:
            asked[source, truth].append(bool(acts[k]) == truth)
    lines = [
        f"{s:12} {len(v):5} " + " / ".join(f"{x:.3f}" for x in np.mean(v, 0)) for s, v in sorted(by_source.items())
    ]
    return lines + [
        f"{source:12} {len(v):5} {'somebody acts' if truth else 'nobody acts'}: {np.mean(v):.3f}"
        for (source, truth), v in sorted(asked.items())
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="folder of training.pictures")
    parser.add_argument("--older", type=Path, default=WEIGHTS, help="folder of the recogniser to begin with")
    parser.add_argument("--out", type=Path, required=True, help="stem of the file that is written")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    cache = PictureCache(args.cache)
    opinion = fit(cache, args.older, args.steps, args.seed)
    print("\n".join(figures(opinion, cache)))
    save_file(dict(opinion.state_dict()), args.out.with_suffix(".safetensors"))


if __name__ == "__main__":
    main()
