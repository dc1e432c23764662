"""Train the action recogniser, one network for each cell, on cached features of both encoders.

    python -m training.clip_features ...                                    # three commands, see there
    python -m training.video_head fit --mixed ../cache/mixed --cache ../cache/clips --out weights
    python -m training.image_opinion --cache ../cache/pictures --out ../cache/image_opinion
    python -m training.action --cache ../cache/clips --opinion ../cache/image_opinion --out weights

Labels are sets: an example labelled "cooking" is right for "chopping vegetables" too, so the loss is the negative
logarithm of the summed probability of all labels that are right. It covers every step, so the network learns to
predict after every frame. The loss is that of the state's own opinion, without the two opinions that it is pooled with:
both are nearly always right in training, and with them in the loss the cell would learn nothing. Training examples are
clips, photos, and the 2 to 5 frames of MSR-VTT videos, some of them repeated for several steps.

The image opinion is fitted before (training/image_opinion.py) and stays as it is. After training, some numbers are
fitted on held-out items (training/calibration.py).
"""

from __future__ import annotations

import argparse
import math
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from pipeline.models.action import NO_ACTION, ActionNetwork
from pipeline.models.backbones import DEFAULT_BACKBONE
from pipeline.models.checkpoint import save_checkpoint
from pipeline.models.efficientnet_lite import FEATURE_SIZE
from pipeline.models.recurrent import CELLS
from training.calibration import calibrate
from training.labels import card_fields, flat_labels, image_labels, lowered_logits, targets
from training.loop import MovingAverage, adamw_one_cycle, optimiser_step
from training.open_set import fit_acts_by_motion
from training.sequences import Batch, Sequences

PROJECTED, HIDDEN = 64, 256
EMA_DECAY = 0.997
SOURCES = [
    "MSR-VTT (Xu et al. 2016): 1,642 videos as 2 to 5 frames each, labelled by consensus of their captions",
    "stanford40 (Yao et al. 2011), har, sports100, sports22: some 29,000 photos of actions and sports",
    "some 9,000 photos without any action in 22 small collections; ADE20K, YouCook2, news programmes",
    "UCF101 (Soomro et al. 2012), official training groups: 1,155 clips of 21 classes",
    "JHMDB (Jhuang et al. 2013): clips of 21 actions, 1.5 s each",
    "fights, skate, rackets, pushups, football: 490 short clips; doors opened and closed; ARID, filmed in the dark",
    "clips from the web in some 30 small collections, labelled by an observer",
]
LIMITS = [
    "It knows 691 actions. Where it sees nobody act it says 'no action'; what it has not learned it often takes for "
    "the nearest action, with a lower probability.",
    "Of about 530 labels it has seen no example: it knows them by the video encoder's training on Kinetics-600 alone.",
    "In photos and folders it knows the 158 labels that pictures taught; the others only from video.",
    "Labels from MSR-VTT are a consensus of captions, so they are noisy; 'talking' is the commonest of them.",
    "Of clips longer than 12.8 s it reads bursts of 1.6 s and knows nothing of what is between them.",
]


def set_losses(log_probs: Tensor, batch: Batch) -> Tensor:
    """(B, T, L) -> (B,): of each sequence; half of the weight is on its last step, the other half on all its steps."""
    likely = -log_probs.masked_fill(~batch.right[:, None], -math.inf).logsumexp(-1)
    steps = torch.arange(log_probs.shape[1])
    counted, last = steps < batch.lengths[:, None], steps == batch.lengths[:, None] - 1
    return (likely * (0.5 * counted / batch.lengths[:, None] + 0.5 * last)).sum(1)


def loss_of(network: ActionNetwork, batch: Batch) -> Tensor:
    opinions = network.opinions(batch.appearance, batch.motion, batch.motion_logits, batch.has_motion)
    hidden, _ = network.cell.scan(network.cell_inputs(batch.appearance, batch.motion, opinions))
    return set_losses(network.readout(network.dropout(hidden)).log_softmax(-1), batch).mean()


def set_normalisation(network: ActionNetwork, sequences: Sequences) -> None:
    """Set the network's mean and standard deviation to those of the cached features."""
    for values, part in (
        (sequences.appearance[::7], slice(0, FEATURE_SIZE)),
        (sequences.motion[::7], slice(FEATURE_SIZE, None)),
    ):
        rows = torch.from_numpy(values.astype(np.float32))
        network.mean[part], network.std[part] = rows.mean(0), rows.std(0) + 0.05


def initial_network(sequences: Sequences, cell: str, labels: list[str], opinion: Path) -> ActionNetwork:
    """A new network with the fitted image opinion, which stays as it is, and both sides of the question whether
    anybody does anything."""
    names = image_labels()
    network = ActionNetwork(cell, len(names), len(labels), PROJECTED, HIDDEN)
    set_normalisation(network, sequences)
    column = {label: k for k, label in enumerate(labels)}
    network.set_labels([column[name] for name in names], [[column[f] for f in targets(name)] for name in names])
    tensors = load_file(opinion.with_suffix(".safetensors"))
    for layer, name in ((network.image_opinion, "action."), (network.acts_by_image, "question.")):
        layer.load_state_dict({key.removeprefix(name): t for key, t in tensors.items() if key.startswith(name)})
    network.acts_by_motion = motion_question(sequences)
    for layer in (network.image_opinion, network.acts_by_image, network.acts_by_motion):
        layer.requires_grad_(False)
    return network


def motion_question(sequences: Sequences) -> nn.Linear:
    """The regression from motion features to whether anybody acts, fitted to the clips of training groups."""
    clips = [e for e in sequences.items if e["video_first"] >= 0 and not e["held_out"] and e["label"]]
    means = [
        sequences.motion[e["video_first"] : e["video_first"] + e["frames"]].astype(np.float32).mean(0) for e in clips
    ]
    acts = np.array([int(e["label"] != NO_ACTION) for e in clips])
    count = Counter((e["source"], e["label"]) for e in clips)
    return fit_acts_by_motion(np.stack(means), acts, np.array([count[e["source"], e["label"]] ** -0.5 for e in clips]))


def fit(sequences: Sequences, cell: str, labels: list[str], args: argparse.Namespace) -> ActionNetwork:
    """The moving average of the trained weights."""
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    network = initial_network(sequences, cell, labels, args.opinion)
    average = MovingAverage(network, EMA_DECAY)
    trained = [p for p in network.parameters() if p.requires_grad]
    optimiser, schedule = adamw_one_cycle(trained, args.rate, args.decay, args.steps, warm_up=0.1)
    started, total = time.time(), 0.0
    for step in range(args.steps):
        loss = loss_of(network, sequences.sample(args.batch, rng))
        optimiser_step(loss, optimiser, schedule, trained)
        average.update_parameters(network)
        total += float(loss.detach())
        if step % 200 == 199:
            print(f"{cell} step {step + 1}: loss {total / 200:.3f}, {time.time() - started:.0f} s", flush=True)
            total = 0.0
    with torch.no_grad():
        average.module.readout.bias.sub_(torch.tensor(lowered_logits()))
    return average.module.eval()


def make_card(cell: str, labels: list[str], args: argparse.Namespace) -> dict[str, Any]:
    """The card without calibration and figures."""
    return {
        "model": "many-to-one action recogniser: frame and motion features -> recurrent cell -> label, at every frame",
        "cell": cell,
        "labels": labels,
        "image_labels": image_labels(),
        **card_fields(labels),
        "projected": PROJECTED,
        "hidden": HIDDEN,
        "backbone": DEFAULT_BACKBONE,
        "command": f"python -m training.action --cell {cell} --steps {args.steps} --batch {args.batch} "
        f"--rate {args.rate} --decay {args.decay} --seed {args.seed}",
        "seed": args.seed,
        "data": SOURCES,
        "limits": LIMITS,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, required=True, help="folder of training.clip_features")
    parser.add_argument("--opinion", type=Path, required=True, help="file of training.image_opinion")
    parser.add_argument("--out", type=Path, default=Path("weights"), help="folder for the checkpoints")
    parser.add_argument("--cell", nargs="+", choices=CELLS, default=list(CELLS))
    parser.add_argument("--steps", type=int, default=600, help="batches")
    parser.add_argument("--batch", type=int, default=48, help="sequences in a batch")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--decay", type=float, default=0.02)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    labels = flat_labels()
    sequences = Sequences(args.cache, labels)
    for cell in args.cell:
        network = fit(sequences, cell, labels, args)
        card = {**make_card(cell, labels, args), **calibrate(network, sequences, cell, labels)}
        tensors = {name: tensor.half() for name, tensor in network.state_dict().items()}
        save_checkpoint(args.out / f"action-{cell}", tensors, card)


if __name__ == "__main__":
    main()
