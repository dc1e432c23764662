"""Fit LeNet-5 on scikit-learn's handwritten digits, in under a minute.

    python -m training.digits

1,797 digits of 8 x 8 grey values by 43 people (UCI, Alpaydin & Kaynak 1998, the test part; scikit-learn ships it). A
fifth, stratified, is left out for testing and never looked at while fitting. Training pictures are moved, turned,
stretched and smudged a little, since people will draw with a mouse.
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

EPOCHS, BATCH, RATE = 60, 64, 2e-3
TEST_SHARE = 0.2


def varied(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A digit (32, 32), turned, stretched, moved, and with a thicker or thinner line."""
    turn = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), rng.uniform(-12, 12), rng.uniform(0.85, 1.1))
    turn[0, 0] *= rng.uniform(0.85, 1.15)
    turn[0, 1] += rng.uniform(-0.15, 0.15)
    turn[:, 2] += rng.uniform(-2.5, 2.5, 2)
    return np.clip(cv2.warpAffine(ink, turn, (SIDE, SIDE)) * rng.uniform(0.8, 1.3), 0, 1)


def main() -> None:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("weights"))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    rng, started = np.random.default_rng(args.seed), time.time()
    grids, labels = load_digits(return_X_y=True)
    ink = np.stack([enlarge_ink(grid.reshape(8, 8) / 16) for grid in grids])
    train, test, truth, wanted = train_test_split(
        ink, labels, test_size=TEST_SHARE, random_state=args.seed, stratify=labels
    )
    network, steps = LeNet5(), EPOCHS * (len(train) // BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    for epoch in range(1, EPOCHS + 1):
        order = rng.permutation(len(train))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            pictures = np.stack([varied(train[k], rng) for k in rows]).astype(np.float32)
            loss = F.cross_entropy(network(torch.from_numpy(pictures)[:, None]), torch.from_numpy(truth[rows]))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        if epoch % 10 == 0:
            print(f"epoch {epoch}: loss {loss:.3f}, {time.time() - started:.0f} s", flush=True)
    with torch.inference_mode():
        said = network.eval()(torch.from_numpy(test.astype(np.float32))[:, None]).argmax(1).numpy()
    accuracy = float((said == wanted).mean())
    print(f"{accuracy:.4f} of {len(test)} test digits right")
    card = {
        "model": "LeNet-5 (LeCun et al. 1998)",
        "command": f"python -m training.digits --seed {args.seed}",
        "seed": args.seed,
        "data": ["scikit-learn's load_digits: 1,797 digits of 8 x 8 grey values (UCI, CC BY 4.0)"],
        "test": {"digits": len(test), "accuracy": round(accuracy, 4)},
        "limits": ["It knows single digits that fill the picture; letters and several digits get the nearest digit."],
    }
    save_checkpoint(args.out / "digits-lenet5", network.state_dict(), card)


if __name__ == "__main__":
    main()
