"""Read the published MoViNet-A0-Stream (TensorFlow Lite, eight bits) into our torch network, and compare the two.

    python -m training.import_movinet                       # compare on real clips
    python -m training.import_movinet --out cache/movinet   # and write the weights as a checkpoint

The file gives each weight as an integer q with a scale and a zero point per channel: value = scale * (q - zero point)
(Jacob et al. 2018, arXiv:1712.05877). Its activations are rounded to eight bits too and ours are not, so the two
agree only as far as eight bits allow: cosine 0.997 to 0.9997 in the blocks and in the features of a frame, but 0.960 in
the head's running sum. The file rounds that sum to multiples of 0.587 after every frame, so a feature below 0.29 is
lost each time. "logits from its sum" are our logits for the file's own sum, that is, without this difference. OpenVINO
runs the file as it is.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline.media import read_clip
from pipeline.models.checkpoint import save_checkpoint
from pipeline.models.engines import import_openvino
from pipeline.models.movinet import BLOCK_SIZES, SIDE, MoViNetA0Stream, StreamOutput, StreamState
from training.data import DATA, load_items
from training.square_frames import square_frames

PUBLISHED = DATA.parent / "weights" / "movinet_a0_stream_int8.tflite"
SIGNATURE = DATA.parent / "weights" / "movinet_a0_stream_io.json"
TYPES = {2: np.dtype(np.int32), 9: np.dtype(np.int8)}  # TensorFlow Lite's numbers of the types that the file holds
BIASES = {  # part of the published bias's name -> our module, within a layer
    "expand": "bneck/expansion/conv2d/bn/",
    "spatial": "bneck/feature/conv2d/bn/",
    "temporal": "bneck/feature/conv2d_temporal/bn_temporal/",
    "project": "bneck/projection/conv2d/bn/",
    "skip": "bneck/skip/skip_project/conv2d/bn/",
}
TOP_BIASES = {
    "stem": "movinet/stem/stem/conv2d/bn/",
    "head": "movinet/head/project/conv2d/bn/",
    "hidden": "classifier_head/head/conv2d/conv2d/bias",
    "classifier": "classifier_head/classifier/conv2d/conv2d_1/BiasAdd",
}


def layer_names() -> list[str]:
    """The published name of each of LAYERS."""
    return [f"block{block}_layer{layer}" for block, size in enumerate(BLOCK_SIZES) for layer in range(size)]


class TFLiteFile:
    """The constants of a TensorFlow Lite file: its convolutions as (bias name, weight, bias), its other constants by
    name; all as float32."""

    def __init__(self, path: Path = PUBLISHED) -> None:
        import tflite

        self._model = tflite.Model.GetRootAsModel(path.read_bytes(), 0)
        self._graph = self._model.Subgraphs(0)
        self.convolutions: list[tuple[str, np.ndarray, np.ndarray]] = []
        codes = {tflite.BuiltinOperator.CONV_2D, tflite.BuiltinOperator.DEPTHWISE_CONV_2D}
        for operator in map(self._graph.Operators, range(self._graph.OperatorsLength())):
            if self._model.OperatorCodes(operator.OpcodeIndex()).DeprecatedBuiltinCode() in codes:
                _, weight, bias = operator.InputsAsNumpy()
                self.convolutions.append((self._name(bias), self._values(weight), self._values(bias)))

    def constant(self, name: str) -> np.ndarray:
        """The constant whose name ends in ``name``. Raises KeyError if the file has none."""
        for k in range(self._graph.TensorsLength()):
            if self._name(k).endswith(name) and self._model.Buffers(self._graph.Tensors(k).Buffer()).DataLength():
                return self._values(k)
        raise KeyError(f"The file has no constant {name}.")

    def _name(self, k: int) -> str:
        return self._graph.Tensors(k).Name().decode()

    def _values(self, k: int) -> np.ndarray:
        tensor = self._graph.Tensors(k)
        data = self._model.Buffers(tensor.Buffer()).DataAsNumpy()
        numbers = data.view(TYPES[tensor.Type()]).reshape(tensor.ShapeAsNumpy())
        quantisation = tensor.Quantization()
        return dequantise(
            numbers,
            quantisation.ScaleAsNumpy(),
            quantisation.ZeroPointAsNumpy(),
            quantisation.QuantizedDimension(),
        )


def dequantise(numbers: np.ndarray, scale: np.ndarray, zero_point: np.ndarray, axis: int) -> np.ndarray:
    """Integers -> float32; ``scale`` and ``zero_point`` are (1,), or one for each position along ``axis``."""
    shape = [1] * numbers.ndim
    if len(scale) > 1:
        shape[axis] = len(scale)
    return (scale.reshape(shape) * (numbers.astype(np.float64) - zero_point.reshape(shape))).astype(np.float32)


def import_published(path: Path = PUBLISHED) -> MoViNetA0Stream:
    """The published network in torch; every tensor of ours must find its own."""
    file = TFLiteFile(path)
    layers = list(enumerate(layer_names()))
    names = {f"layers.{n}.{ours}": f"/{layer}/{theirs}" for n, layer in layers for ours, theirs in BIASES.items()}
    tensors: dict[str, Tensor] = {}
    for ours, theirs in {**names, **TOP_BIASES}.items():
        for name, weight, bias in file.convolutions:
            if theirs in name.split(";")[0]:
                tensors[f"{ours}.weight"], tensors[f"{ours}.bias"] = map(torch.from_numpy, (weight, bias))
    for n, layer in layers:
        tensors[f"layers.{n}.scale"] = torch.tensor(file.constant(f"{layer}/bneck/rezero/mul").flat[0])
    network = MoViNetA0Stream()
    wanted = {name: tensor.shape for name, tensor in network.state_dict().items()}
    network.load_state_dict({name: torch_layout(name, t, wanted.get(name)) for name, t in tensors.items()})
    return network.eval()


def torch_layout(name: str, tensor: Tensor, shape: torch.Size | None) -> Tensor:
    """A published tensor as torch orders it: (outputs, inputs, rows, columns), or (channels, 1, ...) depthwise."""
    if tensor.dim() < 4 or shape is None:
        return tensor
    if "temporal" in name:
        return tensor[0, :, 0]  # (1, k, 1, width) -> (k, width)
    if "spatial" in name:
        return tensor[0].permute(2, 0, 1)[:, None]  # (1, k, k, width) -> (width, 1, k, k)
    tensor = tensor.permute(0, 3, 1, 2)  # (outputs, k, k, inputs) -> (outputs, inputs, k, k)
    return tensor.reshape(shape) if len(shape) == 2 else tensor


class PublishedStream:
    """The published file as OpenVINO runs it, one frame after another. Not for several threads at once."""

    def __init__(self, threads: int = 1) -> None:
        openvino = import_openvino()
        signature = json.loads(SIGNATURE.read_text())
        self._inputs = signature["inputs"]
        self._outputs = {name: entry["tensor"] for name, entry in signature["outputs"].items()}
        settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
        graph = openvino.Core().read_model(PUBLISHED)
        pooling = next(node for node in graph.get_ops() if node.get_type_name() == "ReduceSum")
        graph.add_outputs(pooling.input(0).get_source_output())  # the maps that become the features of a frame
        self._compiled = openvino.Core().compile_model(graph, "CPU", settings)
        self._request = self._compiled.create_infer_request()

    def scan(self, frames: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
        """frames (T, H, W, 3) float32 in 0..1 -> after each, the logits (C,), the features of the frame (D,) and the
        states by name."""
        states = {name: np.zeros(entry["shape"], entry["dtype"]) for name, entry in self._inputs.items()}
        for frame in frames:
            states["image"] = frame[None, None].astype(np.float32)
            self._request.infer({self._inputs[name]["tensor"]: value for name, value in states.items()})
            outputs = {n: self._request.get_tensor(self._port(t)).data.copy() for n, t in self._outputs.items()}
            states = {name: outputs[name] for name in self._inputs if name != "image"}
            maps = self._request.get_output_tensor(len(self._compiled.outputs) - 1).data
            yield {**outputs, "logits": outputs["logits"][0], "features": maps.mean((-2, -1)).ravel()}

    def _port(self, tensor: str) -> object:
        """The output of this name, or the input, for a state that the file hands through."""
        ports = [*self._compiled.outputs, *self._compiled.inputs]
        return next(port for port in ports if tensor in port.get_names())


def compare(network: MoViNetA0Stream, published: PublishedStream, clips: Sequence[np.ndarray]) -> list[Agreement]:
    """Both networks on clips (T, H, W, 3) uint8 RGB -> their agreement at each stage, after every frame."""
    pairs: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for images in clips:
        frames = MoViNetA0Stream.normalise(torch.from_numpy(images))
        state = network.initial_state()
        for frame, theirs in zip(frames, published.scan(images.astype(np.float32) / 255), strict=True):
            their_sum = torch.from_numpy(theirs["state_head_pool_buffer"].ravel())
            with torch.inference_mode():
                output, state = network.step(frame[None], state)
                logits_from_sum = network.classify(their_sum / state.frame_count).numpy()
            for stage, values in stages(output, state).items():
                pairs.setdefault(stage, []).append((values, theirs[stage]))
            pairs.setdefault("logits from its sum", []).append((logits_from_sum, theirs["logits"]))
    return [Agreement.of(stage, pairs[stage]) for stage in pairs]


def stages(output: StreamOutput, state: StreamState) -> dict[str, np.ndarray]:
    """What the published file makes visible of the network after a frame, under its names and in its layouts."""
    found = {
        f"state_{name}_stream_buffer": buffer.movedim(2, -1).numpy()
        for name, buffer in zip(layer_names(), state.buffers, strict=True)
        if buffer.shape[1]
    }
    found["features"] = output.features[0, 0].numpy()
    found["state_head_pool_buffer"] = state.feature_sum[:, None, None, None].numpy()
    return {**found, "logits": output.logits[0, 0].numpy()}


@dataclass(frozen=True)
class Agreement:
    """How near our values of a stage are to the published file's: mean cosine, root mean square error as a share of
    the published values' root mean square, and the share of frames with the same largest value."""

    stage: str
    cosine: float
    error: float
    same_top: float

    @classmethod
    def of(cls, stage: str, pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> Agreement:
        ours, theirs = (np.stack([pair[k].ravel() for pair in pairs]).astype(np.float64) for k in (0, 1))
        norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
        cosine = ((ours * theirs).sum(1) / norms).mean()
        error = np.sqrt(((ours - theirs) ** 2).mean() / (theirs**2).mean())
        return cls(stage, float(cosine), float(error), float((ours.argmax(1) == theirs.argmax(1)).mean()))


def sample_clips(count: int) -> list[np.ndarray]:
    """The frames of ``count`` clips, evenly spread over the labelled ones."""
    paths = [item.paths[0] for item in load_items() if item.is_video]
    return [square_frames(read_clip(path)) for path in paths[:: max(1, len(paths) // count)][:count]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=40, help="real clips to compare on")
    parser.add_argument("--out", type=Path, help="write the imported weights as a checkpoint of this name")
    arguments = parser.parse_args()
    network = import_published()
    clips = sample_clips(arguments.clips)
    print(f"{len(clips)} clips, {sum(map(len, clips))} frames, {SIDE} x {SIDE} pixels")
    print(f"{'stage':<36} cosine   error   same top")
    for row in compare(network, PublishedStream(), clips):
        print(f"{row.stage:<36} {row.cosine:.4f}   {row.error:.3f}   {row.same_top:.3f}")
    if arguments.out:
        card = {"what": "MoViNet-A0-Stream as published in eight bits (Kinetics-600), read into torch; not tuned"}
        save_checkpoint(arguments.out, network.state_dict(), card)


if __name__ == "__main__":
    main()
