"""Train LeNet-5 on scikit-learn's handwritten digits; takes less than a minute.

    python -m training.digits

1,797 digits of 8 x 8 grey values by 43 people (UCI, Alpaydin & Kaynak 1998, the test part; part of scikit-learn). A
stratified fifth is the test set and takes no part in training. Training images are shifted, rotated, scaled and
thickened at random, because users draw with a mouse.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F

from pipeline.models.checkpoint import save_checkpoint
from pipeline.models.lenet import SIDE, LeNet5, enlarge_ink
from training.loop import adamw_one_cycle, optimiser_step

EPOCHS, BATCH, RATE = 60, 64, 2e-3
TEST_SHARE = 0.2


def augment(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A digit (32, 32), rotated, stretched, shifted, and with a thicker or thinner line."""
    matrix = np.asarray(
        cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), rng.uniform(-12, 12), rng.uniform(0.85, 1.1)), np.float64
    )
    matrix[0, 0] *= rng.uniform(0.85, 1.15)
    matrix[0, 1] += rng.uniform(-0.15, 0.15)
    matrix[:, 2] += rng.uniform(-2.5, 2.5, 2)
    return np.clip(cv2.warpAffine(ink, matrix, (SIDE, SIDE)) * rng.uniform(0.8, 1.3), 0, 1)


def fit(images: np.ndarray, labels: np.ndarray, seed: int) -> LeNet5:
    """A network fitted to images (N, 32, 32) with labels (N,)."""
    torch.manual_seed(seed)
    rng, started = np.random.default_rng(seed), time.time()
    network, steps = LeNet5(), EPOCHS * (len(images) // BATCH)
    optimiser, schedule = adamw_one_cycle(network.parameters(), RATE, 0.01, steps, warm_up=0.3)
    for epoch in range(1, EPOCHS + 1):
        order = rng.permutation(len(images))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            batch = np.stack([augment(images[k], rng) for k in rows]).astype(np.float32)
            loss = F.cross_entropy(network(torch.from_numpy(batch)[:, None]), torch.from_numpy(labels[rows]))
            optimiser_step(loss, optimiser, schedule)
        if epoch % 10 == 0:
            print(f"epoch {epoch}: loss {loss:.3f}, {time.time() - started:.0f} s", flush=True)
    return network.eval()


@torch.inference_mode()
def accuracy(network: LeNet5, images: np.ndarray, labels: np.ndarray) -> float:
    predicted = network(torch.from_numpy(images.astype(np.float32))[:, None]).argmax(1).numpy()
    return float((predicted == labels).mean())


def main() -> None:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("weights"), help="folder for the checkpoint")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    grids, labels = load_digits(return_X_y=True)
    images = np.stack([enlarge_ink(grid.reshape(8, 8) / 16) for grid in grids])
    train, test, train_labels, test_labels = train_test_split(
        images, labels, test_size=TEST_SHARE, random_state=args.seed, stratify=labels
    )
    network = fit(train, train_labels, args.seed)
    share = accuracy(network, test, test_labels)
    print(f"{share:.4f} of {len(test)} test digits right")
    card = {
        "model": "LeNet-5 (LeCun et al. 1998)",
        "command": f"python -m training.digits --seed {args.seed}",
        "seed": args.seed,
        "data": ["scikit-learn's load_digits: 1,797 digits of 8 x 8 grey values (UCI, CC BY 4.0)"],
        "test": {"digits": len(test), "accuracy": round(share, 4)},
        "limits": ["It knows single digits that fill the picture; letters and several digits get the nearest digit."],
    }
    save_checkpoint(args.out / "digits-lenet5", network.state_dict(), card)


if __name__ == "__main__":
    main()
