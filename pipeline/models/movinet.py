"""MoViNet-A0-Stream in plain torch: a CNN that reads a video one frame at a time and names the action so far.

Architecture: Kondratyuk et al. 2021, "MoViNets" (arXiv:2103.11511), Table 1 (A0), in the streaming form of section 3.2:
each 3D convolution is a 2D convolution of the frame and a causal depthwise convolution over time, which keeps its last
frames in a *stream buffer*; the head keeps a running sum, so that it pools over all frames so far. This is the
mobile variant that was published in eight bits: ReLU6 and no squeeze-and-excitation. Batch normalisation is part of
the convolutions' weights and biases, as in the published file. training/import_movinet.py reads that file.

The past never depends on the future: the outputs of frame t are functions of the frames 0 to t.

Shapes: B clips, T frames, H x W pixels (172 x 172 in training), D = 480 features, C classes.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SIDE = 172  # pixels; width and height of the frames in training
FRAME_RATE = 5  # frames a second of the clip in training
FEATURE_SIZE = 480
HIDDEN_SIZE = 2048
CLASSES = 600  # Kinetics-600, of the published weights


class Layer(NamedTuple):
    """One bottleneck. ``time_kernel`` is 1 where a layer looks at the present frame only."""

    kernel: int
    time_kernel: int
    stride: int
    wide: int
    width: int


LAYERS = (
    *(Layer(5, 1, 2, 24, 8),),
    *(Layer(3, 3, 2, 80, 32), Layer(3, 3, 1, 80, 32), Layer(3, 3, 1, 80, 32)),
    *(Layer(3, 5, 2, 184, 56), Layer(3, 3, 1, 112, 56), Layer(3, 3, 1, 184, 56)),
    *(Layer(3, 5, 1, 184, 56), Layer(3, 3, 1, 184, 56), Layer(3, 3, 1, 184, 56), Layer(3, 3, 1, 184, 56)),
    *(Layer(3, 5, 2, 384, 104), Layer(5, 1, 1, 280, 104), Layer(5, 1, 1, 280, 104), Layer(5, 1, 1, 344, 104)),
)
BLOCK_SIZES = (1, 3, 3, 4, 4)  # LAYERS as the paper groups them
STEM_WIDTH = 8
LAYOUT_LAYER, LAYOUT_CELLS = 10, 3  # the last layer of the fourth block, pooled into 3 x 3 cells
LAYOUT_SIZE = LAYERS[LAYOUT_LAYER].width * LAYOUT_CELLS**2  # 504


class StreamState(NamedTuple):
    """What the network keeps between frames. Its size does not grow with the clip."""

    buffers: tuple[Tensor, ...]  # of each layer: (B, time_kernel - 1, wide, h, w), the last frames in time order
    feature_sum: Tensor  # (B, D): the features of all frames so far, added up
    frame_count: Tensor  # () float32


class StreamOutput(NamedTuple):
    """``features`` (B, T, D): of each frame, with its past in the buffers, before pooling over time. ``logits``
    (B, T, C): of the clip up to that frame. ``layout`` (B, T, LAYOUT_SIZE): what there is in each cell of a 3 x 3 grid,
    channel by channel; unlike the features it tells left from right."""

    features: Tensor
    logits: Tensor
    layout: Tensor


class Conv2dSame(nn.Conv2d):
    """Convolution padded as TensorFlow's SAME: ceil(size / stride) outputs, an odd pixel of padding right and below."""

    def __init__(self, width_in: int, width_out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__(width_in, width_out, kernel, stride, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        if self.kernel_size[0] > 1:
            rows, columns = (self._padding(size) for size in x.shape[-2:])
            x = F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        return F.conv2d(x, self.weight, self.bias, self.stride, 0, 1, self.groups)

    def _padding(self, size: int) -> int:
        outputs = -(-size // self.stride[0])
        return max((outputs - 1) * self.stride[0] + self.kernel_size[0] - size, 0)


class CausalConv1d(nn.Module):
    """Depthwise convolution over time that reads the present and the last ``kernel - 1`` frames."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(kernel, width) / kernel**0.5)
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor, buffer: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, T, width, h, w), buffer (B, kernel - 1, width, h, w) -> the output, like x, and the next buffer."""
        kernel, frames = len(self.weight), x.shape[1]
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        x = torch.cat([buffer.to(x.dtype), x], 1)
        y = bias[:, None, None]
        for k in range(kernel):
            y = y + weight[k][:, None, None] * x[:, k : k + frames]
        return y, x[:, frames:]


def pool_skip(x: Tensor) -> Tensor:
    """Average over 3 x 3 pixels with stride 2, padded as SAME; padding does not count as pixels."""
    padding = int(x.shape[-2]) % 2, int(x.shape[-1]) % 2
    return F.avg_pool2d(x, 3, 2, padding, ceil_mode=True, count_include_pad=False)


class Bottleneck(nn.Module):
    """Expand with 1 x 1, filter each channel in space, then in time, project back with 1 x 1; add the scaled result to
    the input. The scale is learned and starts at zero in training (ReZero, Bachlechner et al. 2020)."""

    def __init__(self, layer: Layer, width_in: int) -> None:
        super().__init__()
        self.layer = layer
        self.expand = Conv2dSame(width_in, layer.wide)
        self.spatial = Conv2dSame(layer.wide, layer.wide, layer.kernel, layer.stride, groups=layer.wide)
        self.temporal = CausalConv1d(layer.wide, layer.time_kernel) if layer.time_kernel > 1 else None
        self.project = Conv2dSame(layer.wide, layer.width)
        self.skip = Conv2dSame(width_in, layer.width) if layer.stride > 1 else None
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor, frames: int, buffer: Tensor) -> tuple[Tensor, Tensor]:
        """x (B * frames, width_in, h, w), buffer -> the output, for each frame, and the next buffer."""
        y = F.relu6(self.spatial(F.relu6(self.expand(x))))
        if self.temporal is not None:
            y, buffer = self.temporal(y.unflatten(0, (-1, frames)), buffer)
            y = F.relu6(y).flatten(0, 1)
        y = self.scale * self.project(y)
        return y + (x if self.skip is None else self.skip(pool_skip(x))), buffer


class MoViNetA0Stream(nn.Module):
    """The network. ``scan`` reads frames in order and may be continued; ``step`` reads one frame."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.stem = Conv2dSame(3, STEM_WIDTH, 3, 2)
        widths = (STEM_WIDTH, *(layer.width for layer in LAYERS))
        self.layers = nn.ModuleList(Bottleneck(layer, width) for layer, width in zip(LAYERS, widths, strict=False))
        self.head = Conv2dSame(widths[-1], FEATURE_SIZE)
        self.hidden = nn.Linear(FEATURE_SIZE, HIDDEN_SIZE)
        self.classifier = nn.Linear(HIDDEN_SIZE, classes)

    @staticmethod
    def normalise(images: Tensor) -> Tensor:
        """(..., H, W, 3) uint8 RGB -> (..., 3, H, W) float32 in 0..1."""
        return images.movedim(-1, -3).float() / 255

    def initial_state(self, clips: int = 1, height: int = SIDE, width: int = SIDE) -> StreamState:
        """The state before the first frame of ``clips`` clips of height x width pixels: all zero."""
        like = self.stem.weight
        height, width = -(-height // 2), -(-width // 2)  # pixels after the stem
        buffers = []
        for layer in LAYERS:
            height, width = -(-height // layer.stride), -(-width // layer.stride)
            buffers.append(like.new_zeros(clips, layer.time_kernel - 1, layer.wide, height, width))
        return StreamState(tuple(buffers), like.new_zeros(clips, FEATURE_SIZE), like.new_zeros(()))

    def step(self, frame: Tensor, state: StreamState) -> tuple[StreamOutput, StreamState]:
        """frame (B, 3, H, W) in 0..1 -> outputs with T = 1, and the next state."""
        return self.scan(frame[:, None], state)

    def scan(self, frames: Tensor, state: StreamState | None = None) -> tuple[StreamOutput, StreamState]:
        """frames (B, T, 3, H, W) in 0..1 -> the outputs of each, and the state after the last. Begins at the first
        frame of the clips unless it is given the state after earlier frames."""
        clips, count = frames.shape[:2]
        state = state or self.initial_state(clips, *frames.shape[-2:])
        x = F.relu6(self.stem(frames.flatten(0, 1)))
        buffers = []
        for number, (layer, buffer) in enumerate(zip(self.layers, state.buffers, strict=True)):
            x, after = layer(x, count, buffer)
            buffers.append(after)
            if number == LAYOUT_LAYER:
                layout = F.adaptive_avg_pool2d(x, LAYOUT_CELLS).flatten(1).unflatten(0, (clips, count))
        features = F.relu6(self.head(x)).mean((-2, -1)).unflatten(0, (clips, count))
        sums = state.feature_sum[:, None] + features.cumsum(1)
        counts = state.frame_count + torch.arange(1, count + 1, device=x.device)
        output = StreamOutput(features, self.classify(sums / counts[:, None]), layout)
        return output, StreamState(tuple(buffers), sums[:, -1], state.frame_count + count)

    def classify(self, pooled: Tensor) -> Tensor:
        """(..., D), the mean of the features over the frames so far -> (..., C) logits."""
        return self.classifier(F.relu6(self.hidden(pooled)))
