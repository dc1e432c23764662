"""Teach it time: two small readers learn from one clip which way time runs, or find that they need not know.

The clip is cut into overlapping pieces. Class A has them as they are. Of class B there are two kinds: the same pieces
backwards, so that only the order tells the classes apart; or pieces of another clip, so that the order does not
matter. One reader sees the mean of a piece's frames (features of the image encoder), the other reads them one by one
with a GRU.

The image encoder sees each frame by itself, so a frame has the same features whichever way the clip runs. The mean is
taken over the frames sorted by time. So the mean of a piece backwards is bit by bit that of the piece forwards: nothing
that tells the direction enters the first reader.

Even frames are learned from and odd frames are asked about, so no picture is on both sides.

Shapes: T frames, N pieces, W frames of a piece, D features of an image, P directions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.models.recurrent import GRUCell
from pipeline.teaching.examples import TeachingError
from pipeline.teaching.one_thread import one_thread

DIRECTIONS, HIDDEN = 16, 24
FEWEST, MOST = 12, 64  # frames of a clip
SHARE = 0.6  # of the even or odd frames that a piece has
PIECES = 8  # at most, of each class and side
EPOCHS, RATE = 60, 0.01


class Pieces(NamedTuple):
    """``frames`` (N, W): the frames of each piece in the order in which it is read, as rows of the features; ``label``
    (N,) 0 for class A, 1 for class B."""

    frames: Tensor
    label: Tensor


@dataclass(frozen=True)
class Reader:
    """How a reader stands: the share of right answers on the pieces that it learns from and on the others, and of the
    others the confusion matrix (2, 2), rows what it was."""

    learned: float
    asked: float
    confusion: np.ndarray


@dataclass(frozen=True)
class Epoch:
    """After so many passes over the pieces."""

    number: int
    mean: Reader
    recurrent: Reader


def backwards_pieces(count: int, first: int) -> Pieces:
    """Pieces of every second frame of ``count``, from ``first`` (0 or 1) on: forwards, and the same backwards."""
    forwards = windows(range(first, count, 2))
    return Pieces(torch.cat([forwards, forwards.flip(1)]), torch.arange(2).repeat_interleave(len(forwards)))


def other_pieces(count: int, other: int, first: int) -> Pieces:
    """Pieces of a clip of ``count`` frames, and of another clip whose ``other`` frames follow in the features."""
    width = min(len(range(first, size, 2)) for size in (count, other))
    one = windows(range(first, count, 2), width)
    two = windows(range(count + first, count + other, 2), width)
    return Pieces(torch.cat([one, two]), torch.tensor([0] * len(one) + [1] * len(two)))


def windows(frames: Sequence[int], width: int | None = None) -> Tensor:
    """Overlapping pieces of these frames, (N, W)."""
    length = max(2, round(SHARE * (width or len(frames))))
    starts = np.unique(np.linspace(0, len(frames) - length, PIECES).round().astype(int))
    return torch.tensor([[frames[start + k] for k in range(length)] for start in starts.tolist()])


def directions(features: np.ndarray, learned: Sequence[int]) -> Tensor:
    """Features (T, D) -> their principal directions (T, P), fitted to the frames that are learned from."""
    rows = torch.from_numpy(features).double()
    centred = rows - rows[list(learned)].mean(0)
    _, size, axes = torch.linalg.svd(centred[list(learned)], full_matrices=False)
    kept = min(DIRECTIONS, len(size))
    scaled = centred @ axes[:kept].T / (size[0] / len(learned) ** 0.5).clamp(min=1e-9)
    return F.pad(scaled, (0, DIRECTIONS - kept)).float()


class MeanReader(nn.Module):
    """Reads the mean of a piece's frames, and cannot know their order."""

    def __init__(self) -> None:
        super().__init__()
        self.readout = nn.Linear(DIRECTIONS, 2)

    def forward(self, features: Tensor, frames: Tensor) -> Tensor:
        """(N, W) -> logits (N, 2)."""
        return self.readout(features[frames.sort(1).values].mean(1))


class RecurrentReader(nn.Module):
    """Reads the frames of a piece one by one, in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = GRUCell(DIRECTIONS, HIDDEN)
        self.readout = nn.Linear(HIDDEN, 2)

    def forward(self, features: Tensor, frames: Tensor) -> Tensor:
        """(N, W) -> logits (N, 2)."""
        return self.readout(self.cell.scan(features[frames])[1].h)


def lesson(clip: np.ndarray, other: np.ndarray | None = None, seed: int = 0) -> Iterator[Epoch]:
    """Both readers after every epoch. ``clip`` (T, D) has the image features of every frame; with those of an ``other``
    clip class B is that clip, without it the clip backwards. Raises TeachingError for a clip that is too short."""
    for each in (clip, other):
        if each is not None and len(each) < FEWEST:
            raise TeachingError(f"The clip has {len(each)} frames; at least {FEWEST} are needed (about three seconds).")
    if other is None:
        learned, asked = (backwards_pieces(len(clip), first) for first in (0, 1))
        rows = clip
    else:
        learned, asked = (other_pieces(len(clip), len(other), first) for first in (0, 1))
        rows = np.concatenate([clip, other])
    with one_thread():
        features = directions(rows, learned.frames.unique().tolist())
    generator = torch.Generator().manual_seed(seed)
    readers = [initialised(reader, generator) for reader in (MeanReader(), RecurrentReader())]
    optimisers = [torch.optim.Adam(reader.parameters(), RATE) for reader in readers]
    for number in range(EPOCHS + 1):
        with one_thread():
            epoch = Epoch(number, *(stand(reader, features, learned, asked) for reader in readers))
        yield epoch
        with one_thread():
            for reader, optimiser in zip(readers, optimisers, strict=True):
                optimiser.zero_grad()
                F.cross_entropy(reader(features, learned.frames), learned.label).backward()
                optimiser.step()


def initialised(reader: nn.Module, generator: torch.Generator) -> nn.Module:
    """The reader with random weights of this generator, so that the same clip gives the same lesson."""
    for parameter in reader.parameters():
        nn.init.uniform_(parameter, -0.2, 0.2, generator=generator)
    return reader


@torch.inference_mode()
def stand(reader: nn.Module, features: Tensor, learned: Pieces, asked: Pieces) -> Reader:
    said = [reader(features, pieces.frames).argmax(1) for pieces in (learned, asked)]
    shares = [float((s == p.label).float().mean()) for s, p in zip(said, (learned, asked), strict=True)]
    confusion = np.zeros((2, 2), int)
    np.add.at(confusion, (asked.label.numpy(), said[1].numpy()), 1)
    return Reader(shares[0], shares[1], confusion)
