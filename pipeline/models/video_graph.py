"""The video network (movinet.py) as OpenVINO's graph, built directly from its weights.

To trace and convert the network instead would take four seconds of CPU time at every start. Frames are
the batch, and no tensor has more than four dimensions: OpenVINO runs this form fastest.

Shapes: T frames of SIDE x SIDE pixels, D = 480 features.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

import numpy as np
from torch import Tensor

from pipeline.models.engines import import_openvino
from pipeline.models.movinet import (
    LAYOUT_CELLS,
    LAYOUT_LAYER,
    SIDE,
    Bottleneck,
    CausalConv1d,
    Conv2dSame,
    MoViNetA0Stream,
)

if TYPE_CHECKING:
    import openvino as ov


def video_graph(network: MoViNetA0Stream) -> ov.Model:
    """The network for one clip, without its classifier: frames (T, SIDE, SIDE, 3) uint8 and a buffer
    (kernel - 1, wide, h, w) of each layer that looks back in time -> the features (T, D), the layout
    (T, LAYOUT_SIZE) and the next buffers."""
    nodes = Nodes()
    frames = nodes.ops.parameter([-1, SIDE, SIDE, 3], np.uint8)
    buffers = [
        nodes.ops.parameter(list(buffer.shape[1:]), np.float32)
        for buffer in network.initial_state().buffers
        if buffer.shape[1]
    ]
    before, after = iter(buffers), []
    x = nodes.relu6(nodes.convolution(network.stem, nodes.normalise(frames)))
    for number, layer in enumerate(cast(Iterable[Bottleneck], network.layers)):
        y = nodes.relu6(nodes.convolution(layer.expand, x))
        y = nodes.relu6(nodes.convolution(layer.spatial, y))
        if layer.temporal is not None:
            y, buffer = nodes.temporal(layer.temporal, next(before), y)
            after.append(buffer)
        y = nodes.ops.multiply(nodes.convolution(layer.project, y), array(layer.scale))
        x = nodes.ops.add(y, x if layer.skip is None else nodes.convolution(layer.skip, nodes.pool_skip(x)))
        if number == LAYOUT_LAYER:
            layout = nodes.layout(x)
    features = nodes.ops.reduce_mean(nodes.relu6(nodes.convolution(network.head, x)), [2, 3])
    return import_openvino().Model([features, layout, *after], [frames, *buffers])


class Nodes:
    """The network's parts, each as nodes of a graph."""

    def __init__(self) -> None:
        self.ops = import_openvino().opset13

    def normalise(self, frames: ov.Node) -> ov.Node:
        pixels = self.ops.convert(self.ops.transpose(frames, [0, 3, 1, 2]), np.float32)
        return self.ops.multiply(pixels, np.float32(1 / 255))

    def relu6(self, x: ov.Node) -> ov.Node:
        return self.ops.clamp(x, 0.0, 6.0)

    def convolution(self, layer: Conv2dSame, x: ov.Node) -> ov.Node:
        """SAME_UPPER is the padding of Conv2dSame."""
        settings = {"strides": list(layer.stride), "pads_begin": [0, 0], "pads_end": [0, 0], "dilations": [1, 1]}
        weight = array(layer.weight)
        if layer.groups > 1:
            y = self.ops.group_convolution(x, weight[:, None], **settings, auto_pad="same_upper")
        else:
            y = self.ops.convolution(x, weight, **settings, auto_pad="same_upper")
        return self.ops.add(y, per_channel(cast(Tensor, layer.bias)))

    def temporal(self, layer: CausalConv1d, buffer: ov.Node, y: ov.Node) -> tuple[ov.Node, ov.Node]:
        """The output after ReLU6, and the next buffer."""
        past, kernel = self.ops.concat([buffer, y], 0), len(layer.weight)
        total = per_channel(layer.bias)
        for k, weight in enumerate(layer.weight):
            end = k - kernel + 1 or np.iinfo(np.int64).max
            frames = self.ops.slice(past, [k], [end], [1], [0])
            total = self.ops.add(total, self.ops.multiply(frames, per_channel(weight)))
        return self.relu6(total), self.ops.slice(past, [1 - kernel], [np.iinfo(np.int64).max], [1], [0])

    def layout(self, x: ov.Node) -> ov.Node:
        """(T, C, h, w) -> (T, C * LAYOUT_CELLS^2)."""
        cells = np.array([LAYOUT_CELLS, LAYOUT_CELLS], np.int64)
        return self.ops.reshape(self.ops.adaptive_avg_pool(x, cells), [0, -1], True)

    def pool_skip(self, x: ov.Node) -> ov.Node:
        return self.ops.avg_pool(x, [2, 2], [0, 0], [0, 0], [3, 3], True, auto_pad="same_upper")


def array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().numpy()


def per_channel(vector: Tensor) -> np.ndarray:
    """(wide,) -> (1, wide, 1, 1)."""
    return array(vector)[None, :, None, None]
