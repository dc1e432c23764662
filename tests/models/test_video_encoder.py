from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline.media.reader import read_clip
from pipeline.models.engines import EngineName, supports_bf16
from pipeline.models.movinet import FEATURE_SIZE, LAYOUT_SIZE, SIDE, MoViNetA0Stream
from pipeline.models.video_encoder import CHUNK, LONGEST_GAP, VideoEncoder, load_video_encoder, video_frame
from tests.sample_media import SAMPLES


@pytest.fixture(scope="module")
def reference() -> VideoEncoder:
    return load_video_encoder("torch")


@pytest.fixture(scope="module")
def fast() -> VideoEncoder:
    return load_video_encoder("openvino")


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    """Twenty frames with much motion, 0.2 s apart."""
    return [video_frame(frame.image) for frame in read_clip(SAMPLES / "bikes.mp4").frames[:20]]


def times(count: int, start: float = 0.0) -> list[float]:
    return [start + 0.2 * k for k in range(count)]


def arrays(motions) -> tuple[np.ndarray, ...]:
    """(T, D), (T, C) and (T, LAYOUT_SIZE)."""
    return tuple(np.stack([getattr(m, name) for m in motions]) for name in ("features", "logits", "layout"))


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))


def assert_close(motions, others, tolerance: float = 1e-3) -> None:
    for mine, other in zip(arrays(motions), arrays(others), strict=True):
        np.testing.assert_allclose(mine, other, atol=tolerance * np.abs(other).max())


def test_the_answer_has_its_shape_and_a_label_for_each_logit(fast, frames):
    motions, state = fast.read(frames, times(len(frames)))
    features, logits, layout = arrays(motions)
    assert features.shape == (len(frames), FEATURE_SIZE)
    assert layout.shape == (len(frames), LAYOUT_SIZE)
    assert logits.shape == (len(frames), len(fast.labels))
    assert features.dtype == logits.dtype == np.float32
    assert (state.frame_count, state.time) == (len(frames), times(len(frames))[-1])


def test_the_reference_is_the_network_itself(reference, frames):
    network = reference._network
    with torch.inference_mode():
        output, _ = network.scan(network.normalise(torch.from_numpy(np.stack(frames)))[None])
    features, logits, layout = arrays(reference.read(frames, times(len(frames)))[0])
    np.testing.assert_allclose(layout, output.layout[0], atol=1e-4)
    np.testing.assert_allclose(features, output.features[0], atol=1e-4)
    np.testing.assert_allclose(logits, output.logits[0], atol=1e-3)


def test_the_fast_engine_agrees_with_the_reference(fast, reference, frames):
    mine, expected = (arrays(each.read(frames, times(len(frames)))[0]) for each in (fast, reference))
    for part, reference_part in zip(mine, expected, strict=True):
        assert cosines(part, reference_part).min() >= 0.9999


@pytest.mark.skipif(not supports_bf16(), reason="this CPU is not made for bfloat16")
def test_bfloat16_is_near_the_reference(reference, frames):
    rounded = load_video_encoder("openvino-bf16")
    mine, expected = (arrays(each.read(frames, times(len(frames)))[0]) for each in (rounded, reference))
    for part, reference_part in zip(mine, expected, strict=True):
        assert cosines(part, reference_part).min() >= 0.99


@pytest.mark.parametrize("engine", ["torch", "openvino"])
@pytest.mark.parametrize("sizes", [[1] * 20, [3, 8, 1, 8], [CHUNK - 1, 13], [20]])
def test_reading_in_parts_is_reading_at_once(engine: EngineName, sizes, fast, reference, frames):
    encoder = {"openvino": fast, "torch": reference}[engine]
    whole, last = encoder.read(frames, times(len(frames)))
    state, parts, first = None, [], 0
    for size in sizes:
        motions, state = encoder.read(frames[first : first + size], times(size, 0.2 * first), state)
        parts += motions
        first += size
    assert_close(parts, whole)
    np.testing.assert_allclose(state.feature_sum, last.feature_sum, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_a_burst_begins_with_empty_buffers_and_the_mean_goes_on(engine: EngineName, fast, reference, frames):
    encoder = {"openvino": fast, "torch": reference}[engine]
    first, second = frames[:8], frames[8:16]
    apart, _ = encoder.read([*first, *second], [*times(8), *times(8, 20.0)])
    one, other = (encoder.read(part, times(8))[0] for part in (first, second))
    np.testing.assert_allclose(arrays(apart)[0], np.concatenate([arrays(one)[0], arrays(other)[0]]), atol=1e-3)
    together, _ = encoder.read([*first, *second], times(16))
    assert np.abs(arrays(together)[0] - arrays(apart)[0])[8:].max() > 0.01
    pooled = arrays(apart)[0].mean(0, keepdims=True)
    np.testing.assert_allclose(encoder.classify(pooled)[0], apart[-1].logits, atol=1e-3)


def test_a_burst_goes_on_over_the_longest_gap_and_no_longer(reference, frames):
    near = np.array([0.0, LONGEST_GAP, 2 * LONGEST_GAP]) * 0.999
    usual, slow, apart = (reference.read(frames[:3], t)[0] for t in (times(3), near.tolist(), [0.0, 0.6, 1.2]))
    assert_close(slow, usual, 1e-5)
    assert np.abs(arrays(apart)[0] - arrays(usual)[0]).max() > 0.01


def test_a_frame_that_is_not_later_begins_the_clip_again(fast, frames):
    again, _ = fast.read([*frames[:5], *frames[:5]], [*times(5), *times(5)])
    assert_close(again[5:], again[:5])


def test_a_passage_can_be_taken_as_a_clip_of_its_own(reference, frames):
    motions, _ = reference.read(frames[:16], [*times(8), *times(8, 9.0)])
    alone, _ = reference.read(frames[8:16], times(8))
    assert_close(reference.restart(motions[8:]), alone)


def test_the_layout_tells_left_from_right_and_the_features_less(fast, frames):
    mirrored = [frame[:, ::-1] for frame in frames]
    mine, other = (arrays(fast.read(each, times(len(frames)))[0]) for each in (frames, mirrored))
    cells = other[2].reshape(len(frames), -1, 3, 3)[..., ::-1].reshape(len(frames), -1)
    assert cosines(mine[2], other[2]).mean() < cosines(mine[2], cells).mean()


def test_the_future_changes_nothing(fast, frames):
    before, _ = fast.read(frames[:6], times(6))
    after, _ = fast.read([*frames[:6], 255 - frames[6]], times(7))
    assert_close(after[:6], before)


def test_other_labels_make_another_classifier():
    encoder = VideoEncoder(MoViNetA0Stream(7), list("abcdefg"), "torch")
    motions, _ = encoder.read([np.zeros((SIDE, SIDE, 3), np.uint8)], [0.0])
    assert motions[0].logits.shape == (7,)


def test_the_whole_picture_is_squeezed_to_the_square():
    image = np.zeros((224, 288, 3), np.uint8)
    image[:, :144] = 200
    squeezed = video_frame(image)
    assert squeezed.shape == (SIDE, SIDE, 3)
    assert (squeezed[:, : SIDE // 2 - 1] == 200).all()
    assert (squeezed[:, SIDE // 2 + 1 :] == 0).all()
