from __future__ import annotations

import pytest
import torch

from pipeline.models.movinet import CLASSES, FEATURE_SIZE, LAYERS, MoViNetA0Stream

SIDE, FRAMES = 64, 7  # smaller than in training: the layout is the same


@pytest.fixture(scope="module")
def network() -> MoViNetA0Stream:
    torch.manual_seed(0)
    return MoViNetA0Stream().eval()


@pytest.fixture(scope="module")
def frames() -> torch.Tensor:
    return torch.rand(2, FRAMES, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


@torch.inference_mode()
def test_reading_frame_by_frame_is_reading_at_once(network, frames):
    whole, last = network.scan(frames)
    state = network.initial_state(2, SIDE, SIDE)
    for t in range(FRAMES):
        output, state = network.step(frames[:, t], state)
        torch.testing.assert_close(output.features[:, 0], whole.features[:, t], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(output.logits[:, 0], whole.logits[:, t], atol=1e-4, rtol=1e-4)
    for one, other in zip(state.buffers, last.buffers, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(state.feature_sum, last.feature_sum, atol=1e-3, rtol=1e-4)


@torch.inference_mode()
def test_a_clip_can_be_read_in_two_parts(network, frames):
    whole, _ = network.scan(frames)
    _, state = network.scan(frames[:, :3])
    rest, _ = network.scan(frames[:, 3:], state)
    torch.testing.assert_close(rest.logits, whole.logits[:, 3:], atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_a_later_frame_changes_nothing_before_it_and_something_after_it(network, frames):
    changed = frames.clone()
    changed[:, 4] = 1 - changed[:, 4]
    before, _ = network.scan(frames)
    after, _ = network.scan(changed)
    torch.testing.assert_close(after.features[:, :4], before.features[:, :4])
    assert (after.features[:, 4] - before.features[:, 4]).abs().max() > 1e-4
    assert (after.features[:, 5] - before.features[:, 5]).abs().max() > 1e-6  # by the stream buffers


@torch.inference_mode()
def test_the_order_of_frames_matters_to_the_features(network, frames):
    forwards, _ = network.scan(frames)
    backwards, _ = network.scan(frames.flip(1))
    assert (forwards.features.mean(1) - backwards.features.mean(1)).abs().max() > 1e-6


@torch.inference_mode()
def test_the_state_does_not_grow(network, frames):
    start = network.initial_state(2, SIDE, SIDE)
    _, state = network.scan(frames, start)
    assert [buffer.shape for buffer in state.buffers] == [buffer.shape for buffer in start.buffers]
    assert float(state.frame_count) == FRAMES


@torch.inference_mode()
def test_odd_sizes_are_read_too(network):
    output, _ = network.scan(torch.rand(1, 2, 3, 172, 131))
    assert output.features.shape == (1, 2, FEATURE_SIZE)
    assert output.logits.shape == (1, 2, CLASSES)


def test_the_layers_are_those_of_the_paper():
    """Table 1 of arXiv:2103.11511: widths 8, 32, 56, 56, 104 and a total stride of 32."""
    assert [layer.width for layer in LAYERS] == [8, *[32] * 3, *[56] * 7, *[104] * 4]
    assert torch.tensor([layer.stride for layer in LAYERS]).prod() * 2 == 32
