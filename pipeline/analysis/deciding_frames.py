"""The frames that decided: a small set of frames without which the answer would be another label.

Frames are taken away greedily: those whose removal costs the leading label most probability, until another label leads.
Then every frame that is not needed for that is put back. The set is small, not always the smallest one.

Many sets are compared at once, in an approximation: what the cell reads of a frame is kept as it was read in the whole
clip. A set is only reported if a reading without it says so (``without_frames``), which computes everything again.

Shapes: B sets of frames, T frames, L labels, H hidden size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pipeline.analysis.hedging import Answer
from pipeline.analysis.reading import answer_rule, read_features
from pipeline.analysis.segments import by_themselves
from pipeline.models.action import ActionModel, FrameEvidence, Opinions
from pipeline.models.encoder import FrameFeatures
from pipeline.models.recurrent import State
from pipeline.models.video_encoder import VideoEncoder

ROUNDS = 12  # of taking frames away, at most: of a long clip several frames a round


@dataclass(frozen=True)
class DecidingFrames:
    """``frames`` are the places of the frames, rising, and ``without`` is the answer without them."""

    frames: tuple[int, ...]
    without: Answer


def deciding_frames(
    model: ActionModel, video: VideoEncoder | None, features: Sequence[FrameFeatures], duration: float
) -> DecidingFrames | None:
    """The frames that decided a clip's answer. None if every frame says the same: whatever is taken away, as long as
    one frame is left, the leading label stays. ``video`` is the encoder of the features."""
    subsets = Subsets(model, video, features)
    count = len(features)
    label = answer_rule(model).answer(subsets.probabilities(np.ones((1, count), bool))[0]).label
    kept = np.ones(count, bool)
    for _ in range(ROUNDS + 1):
        if kept.sum() <= 1:
            return None
        kept = subsets.without_strongest(kept, label, -(-count // ROUNDS))
        if subsets.leading(kept[None])[0] != label:
            pruned = subsets.put_back(kept, label)
            for each in (pruned, kept):
                without = without_frames(model, video, features, duration, np.flatnonzero(~each).tolist())
                if without.label != label:
                    return DecidingFrames(tuple(np.flatnonzero(~each).tolist()), without)
    return None


def without_frames(
    model: ActionModel,
    video: VideoEncoder | None,
    features: Sequence[FrameFeatures],
    duration: float,
    left: Sequence[int],
) -> Answer:
    """The answer to a clip without these frames, of which at least one must remain."""
    rest = [frame for k, frame in enumerate(features) if k not in set(left)]
    return read_features(model, by_themselves(rest, video), duration).answers[-1]


def in_words(frames: Sequence[int]) -> str:
    """Places of frames, rising, as a reader counts them: [3, 4, 5, 9] -> "frames 4 to 6 and 10"."""
    runs: list[list[int]] = []
    for frame in frames:
        if runs and frame == runs[-1][-1] + 1:
            runs[-1].append(frame)
        else:
            runs.append([frame])
    parts = [str(run[0] + 1) if len(run) == 1 else f"{run[0] + 1} to {run[-1] + 1}" for run in runs]
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return f"frame{'s' if len(frames) > 1 else ''} {listed}"


class Subsets:
    """The last prediction of a recogniser for many sets of frames of one clip, each as a mask (T,) of frames kept."""

    @torch.inference_mode()
    def __init__(self, model: ActionModel, video: VideoEncoder | None, features: Sequence[FrameFeatures]) -> None:
        self._model, self._video = model, video
        self._rule = answer_rule(model)
        appearance, motion, self._opinions = model.read(features)
        self._motion = motion
        self._gates = model.network.cell.input_gates(model.network.cell_inputs(appearance, motion, self._opinions))

    @torch.inference_mode()
    def probabilities(self, kept: np.ndarray) -> np.ndarray:
        """Masks (B, T) -> label probabilities after the last frame that is kept, (B, L)."""
        mask = torch.from_numpy(kept)
        network, share = self._model.network, (mask / mask.sum(1, keepdim=True)).float()
        has_motion = self._opinions.has_motion[:1].expand(len(mask))
        frames = FrameEvidence(*(share @ each for each in self._opinions.frames))
        logits = self._motion_logits(share, len(mask))
        moves = has_motion.unsqueeze(-1).float()
        so_far = Opinions(
            frames, logits.log_softmax(-1) * moves, logits.logsumexp(-1, keepdim=True) * moves, has_motion
        )
        pooled = network.pool(self._last_state(mask), so_far) / self._model.temperatures[bool(has_motion[0])]
        return network.open_set(pooled, so_far).exp().numpy()

    def leading(self, kept: np.ndarray) -> list[str]:
        return [answer.label for answer in self._rule.answers(self.probabilities(kept))]

    def without_strongest(self, kept: np.ndarray, label: str, number: int) -> np.ndarray:
        """The mask without so many more frames: those whose removal costs the label most; one frame is left."""
        places = np.flatnonzero(kept)
        fewer = np.repeat(kept[None], len(places), 0)
        fewer[np.arange(len(places)), places] = False
        column = self._rule.labels.index(label)
        cost = self._rule.with_sums(self.probabilities(fewer), {label})[:, column]
        mask = kept.copy()
        mask[places[np.argsort(cost, kind="stable")[: min(number, len(places) - 1)]]] = False
        return mask

    def put_back(self, kept: np.ndarray, label: str) -> np.ndarray:
        """The mask with every frame put back without which another label still leads."""
        kept = kept.copy()
        while True:
            places = np.flatnonzero(~kept)
            more = np.repeat(kept[None], len(places), 0)
            more[np.arange(len(places)), places] = True
            possible = [k for k, leads in enumerate(self.leading(more)) if leads != label] if len(places) > 1 else []
            if not possible:
                return kept
            kept = more[possible[0]]

    def _motion_logits(self, share: Tensor, count: int) -> Tensor:
        """The motion opinion of each set: that of the mean of its frames' features."""
        if self._video is None or not bool(self._opinions.has_motion.all()):
            return torch.zeros(count, len(self._model.actions))
        return torch.from_numpy(self._video.classify((share @ self._motion).numpy()))

    def _last_state(self, mask: Tensor) -> Tensor:
        """The hidden state after the frames that are kept, (B, H)."""
        cell = self._model.network.cell
        state = cell.initial_state(len(mask))
        for step, gates in enumerate(self._gates.split(1)):
            after, keep = cell.recur(gates.expand(len(mask), -1), state), mask[:, step, None]
            c = None if after.c is None or state.c is None else torch.where(keep, after.c, state.c)
            state = State(torch.where(keep, after.h, state.h), c)
        return state.h
