"""Videos as camcorders, phones and editors make them: shown as a player shows them."""

from __future__ import annotations

import os
import shutil
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from pipeline.media import MediaError, read_clip
from pipeline.media.clip import decode_jpeg
from pipeline.media.reader import browser_copy
from pipeline.sandbox import opencv_reader
from pipeline.sandbox.videos import inspect, opencv_shows_rightly
from tests.made_media import scene, shows_scene, write_video
from tests.sample_media import ISCC, SAMPLES

FIELDS = {"flags": "+ilme+ildct"}
INTERLACED = {
    "avchd.mts": ("libx264", "yuv420p", {**FIELDS, "x264-params": "tff=1"}, "mpegts"),
    "bottom-first.mp4": ("libx264", "yuv420p", {**FIELDS, "x264-params": "bff=1"}, "mp4"),
    "deep.mkv": ("libx264", "yuv422p10le", {**FIELDS, "x264-params": "tff=1"}, "matroska"),
    "dvd.mpg": ("mpeg2video", "yuv420p", {**FIELDS, "b": "6M"}, "mpeg"),
    "divx.avi": ("mpeg4", "yuv420p", {**FIELDS, "b": "6M"}, "avi"),
    "tape.avi": ("dvvideo", "yuv420p", {}, "avi"),
    "tape.dv": ("dvvideo", "yuv420p", {}, "dv"),
    "edit.mov": ("prores_ks", "yuv422p10le", FIELDS, "mov"),
}


@pytest.mark.parametrize("name", INTERLACED)
def test_interlaced_pictures_are_shown_whole(tmp_path, name):
    codec, pixels, options, container = INTERLACED[name]
    size = (720, 576) if codec == "dvvideo" else (320, 240)
    path = write_video(
        tmp_path / name, [scene(k, *size) for k in range(30)], codec, pixels, 25, options, container=container
    )
    clip = read_clip(path)
    assert len(clip.frames) == 6
    assert all(shows_scene(frame.image) for frame in clip.frames)
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(browser_copy(path))
    assert all(shows_scene(frame.image, 20) for frame in read_clip(copy).frames)


def combed(pictures: list[np.ndarray]) -> list[np.ndarray]:
    """Pictures whose odd rows show the moment after that of their even rows."""
    whole = []
    for now, after in zip(pictures, [*pictures[1:], pictures[-1]], strict=True):
        picture = now.copy()
        picture[1::2] = after[1::2]
        whole.append(picture)
    return whole


def combing(image: np.ndarray) -> float:
    rows = image.astype(int)
    return float(np.abs(rows[1:-1] - (rows[:-2] + rows[2:]) / 2).mean())


def test_fields_are_not_left_in_each_other(tmp_path):
    fast = [np.roll(scene(0), 12 * k, 1) for k in range(60)]
    twin = write_video(tmp_path / "twin.mp4", fast[::2])
    laced = write_video(
        tmp_path / "laced.mp4", combed(fast)[::2], options={**FIELDS, "x264-params": "tff=1", "crf": "10"}
    )
    for one, other in zip(read_clip(twin).frames, read_clip(laced).frames, strict=True):
        assert one.time == other.time
        assert combing(decode_jpeg(other.preview_jpeg)) < 1.5 * combing(decode_jpeg(one.preview_jpeg)) + 1


def test_the_answer_is_that_of_the_progressive_twin(tmp_path, encoder, lstm, bikes):
    with av.open(str(bikes)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)][:100]
    labels = []
    for name, options in (("twin.mp4", {}), ("laced.mp4", {**FIELDS, "x264-params": "tff=1"})):
        clip = read_clip(write_video(tmp_path / name, pictures, options={**options, "crf": "18"}))
        *_, last = lstm.predict(encoder.encode_frames(clip))
        labels.append(lstm.labels[int(last.probabilities.argmax())])
    assert labels[0] == labels[1]


def test_a_video_that_turns_interlaced_in_the_middle_is_read_rightly(tmp_path):
    """As DVDs of films do. The header says progressive, and OpenCV then fails without saying so."""
    parts = []
    for name, options in (("a.ts", {}), ("b.ts", FIELDS)):
        pictures = [scene(k) for k in range(30)]
        parts.append(
            write_video(tmp_path / name, pictures, "mpeg2video", options=options, container="mpegts").read_bytes()
        )
    path = tmp_path / "mixed.ts"
    path.write_bytes(b"".join(parts))
    clip = read_clip(path)
    assert len(clip.frames) > 6
    assert all(shows_scene(frame.image) for frame in clip.frames)


def test_a_conversion_that_fails_is_never_believed(tmp_path, monkeypatch):
    """Whatever the reason: here OpenCV is given an interlaced video of which nobody knows."""
    path = write_video(tmp_path / "clip.mp4", [scene(0)] * 10, options={**FIELDS, "x264-params": "tff=1"})
    video = inspect(path, "clip")
    assert not opencv_shows_rightly(video)
    with opencv_reader.opened_by_opencv(path, "clip", video) as reader:
        next(reader.times())

        class Log:
            def take(self) -> bytes:
                return b""

            def has_failures(self) -> bool:
                return True

        monkeypatch.setattr(opencv_reader, "log", Log())
        with pytest.raises(opencv_reader.ConversionError):
            reader.picture()


PIXELS = [
    ("libx264", "yuv422p"), ("libx264", "yuv444p"), ("libx264", "yuvj420p"), ("libx264", "yuv420p10le"),
    ("libx264", "yuv444p10le"), ("libx265", "yuv420p10le"), ("libx265", "gbrp"), ("libx265", "yuv422p12le"),
    ("libsvtav1", "yuv420p10le"), ("prores_ks", "yuv422p10le"), ("prores_ks", "yuva444p10le"),
]  # fmt: skip


@pytest.mark.parametrize(("codec", "pixels"), PIXELS)
def test_pixels_of_other_depths_and_samplings(tmp_path, codec, pixels):
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    name = "clip.mkv" if codec == "libsvtav1" else "clip.mov"
    path = write_video(tmp_path / name, [scene(k) for k in range(10)], codec, pixels, options=options)
    assert all(shows_scene(frame.image) for frame in read_clip(path).frames)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "libvpx-vp9"])
def test_one_thread_decodes_small_pictures_and_shows_what_several_do(tmp_path, monkeypatch, codec):
    path = write_video(tmp_path / "clip.mkv", [scene(k) for k in range(40)], codec)
    video, shown = inspect(path, "clip"), []
    for small in (opencv_reader.SMALL, 0):
        monkeypatch.setattr(opencv_reader, "SMALL", small)
        with opencv_reader.opened_by_opencv(path, "clip", video) as reader:
            if small:
                assert reader.capture.get(cv2.CAP_PROP_N_THREADS) == 1
            shown.append([(time, reader.picture()) for time in reader.times()])
    assert len(shown[0]) == len(shown[1]) == 40
    for (time, picture), (other_time, other_picture) in zip(*shown, strict=True):
        assert time == other_time
        assert np.array_equal(picture, other_picture)


# Shapes


def shaped(shape: Fraction):
    def prepare(stream) -> None:
        stream.codec_context.sample_aspect_ratio = shape

    return prepare


def write_display_width(path, width: int) -> None:
    """DisplayWidth of a WebM, which PyAV does not write, in place of DefaultDuration (RFC 9559)."""
    data = path.read_bytes()
    video = data.index(b"\xe0\x87\xb0\x82")
    assert data[video - 8 : video - 4] == b"\x23\xe3\x83\x84"
    display = b"\x54\xb0\x82" + width.to_bytes(2, "big")
    void = b"\xec\x81\x00"
    path.write_bytes(data[: video - 8] + void + b"\xe0\x8c" + data[video + 2 : video + 9] + display + data[video + 9 :])


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.webm", "clip.mpg", "clip.mov", "clip.ts"])
@pytest.mark.parametrize(("shape", "size"), [(Fraction(64, 45), (455, 240)), (Fraction(8, 9), (320, 270))])
def test_pixels_that_are_not_square_are_shown_as_a_player_does(tmp_path, name, shape, size):
    codec = {"webm": "libvpx-vp9", "mpg": "mpeg2video"}.get(name.split(".")[1], "libx264")
    if codec == "mpeg2video":  # knows shapes of the whole picture only: 4:3 and 16:9
        shape, size = Fraction(4, 3), (427, 240)
    pictures = [scene(k) for k in range(20)]
    path = write_video(tmp_path / name, pictures, codec, prepare=shaped(shape))
    if codec == "libvpx-vp9":
        write_display_width(path, round(320 * shape))
    clip = read_clip(path)
    assert (clip.width, clip.height) == size
    height, width = decode_jpeg(clip.frames[0].preview_jpeg).shape[:2]
    assert width / height == pytest.approx(size[0] / size[1], rel=0.01)
    (tmp_path / "copy.mp4").write_bytes(browser_copy(path))
    copy = read_clip(tmp_path / "copy.mp4")
    assert copy.width / copy.height == pytest.approx(size[0] / size[1], rel=0.02)


@pytest.mark.parametrize(
    ("shape", "width"), [(Fraction(640, 639), 426), (Fraction(99, 100), 426), (Fraction(16, 15), 454)]
)
def test_a_shape_that_comes_from_rounding_is_taken_as_square(tmp_path, shape, width):
    """A scaler makes 426 x 240 and 640/639 of 1280 x 720. Stretching by one pixel would only blur the picture."""
    path = write_video(tmp_path / "clip.mp4", [scene(k, 426, 240) for k in range(5)], prepare=shaped(shape))
    clip = read_clip(path)
    assert (clip.width, clip.height) == (width, 240)
    assert decode_jpeg(clip.frames[0].preview_jpeg).shape[:2] == (240, width)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_turned_and_not_square(tmp_path, degrees, interlaced):
    """The shape is that of a stored pixel; the whole is turned after."""

    def prepare(stream) -> None:
        stream.codec_context.sample_aspect_ratio = Fraction(2)
        stream.set_display_rotation(degrees)

    options = {**FIELDS, "x264-params": "tff=1"} if interlaced else {}
    pictures = [np.ascontiguousarray(np.rot90(scene(0, 120, 240), -degrees // 90)) for _ in range(10)]
    stored = [np.ascontiguousarray(picture) for picture in pictures]
    clip = read_clip(write_video(tmp_path / "clip.mp4", stored, options=options, prepare=prepare))
    width, height = stored[0].shape[1] * 2, stored[0].shape[0]
    assert (clip.width, clip.height) == ((height, width) if degrees % 180 else (width, height))
    upright = cv2.resize(clip.frames[0].image, (320, 240))
    assert shows_scene(upright)


@pytest.mark.parametrize("shape", [Fraction(1, 1000), Fraction(1000)])
def test_an_absurd_shape_is_not_believed(tmp_path, shape):
    path = write_video(tmp_path / "clip.mkv", [scene(k) for k in range(5)], prepare=shaped(shape))
    assert (read_clip(path).width, read_clip(path).height) == (320, 240)


# HDR


def to_pq(light: np.ndarray) -> np.ndarray:
    """cd/m2 -> signal (SMPTE ST 2084)."""
    power = (light / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def to_hlg(light: np.ndarray) -> np.ndarray:
    """Light, where paper in the scene is 0.265 -> signal (ITU-R BT.2100)."""
    high = 0.17883277 * np.log(np.maximum(12 * light - 0.28466892, 1e-9)) + 0.55991073
    return np.where(light <= 1 / 12, np.sqrt(3 * light), high)


def hdr_of(picture: np.ndarray, transfer: str) -> np.ndarray:
    """An ordinary picture as HDR with the same colours: (H, W, 3) uint16, 10 bits in 16."""
    light = np.where(picture / 255 <= 0.04045, picture / 255 / 12.92, ((picture / 255 + 0.055) / 1.055) ** 2.4)
    wide = light @ np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]).T
    if transfer == "pq":
        return np.round(to_pq(203 * wide) * 65535).astype(np.uint16)
    luminance = np.maximum(wide @ np.array([0.2627, 0.6780, 0.0593]), 1e-6)[..., None]
    scene_light = 0.265 * wide * luminance ** (1 / 1.2 - 1)  # the inverse of the display's own gamma
    return np.round(np.clip(to_hlg(np.clip(scene_light, 0, 1)), 0, 1) * 65535).astype(np.uint16)


def write_hdr(path, pictures, transfer: str, codec: str):
    number = {"pq": 16, "hlg": 18}[transfer]
    with av.open(str(path), "w") as file:
        options = {}
        if codec == "libx265":
            name = {"pq": "smpte2084", "hlg": "arib-std-b67"}[transfer]
            colours = f"colorprim=bt2020:transfer={name}:colormatrix=bt2020nc"
            options = {"x265-params": f"log-level=none:crf=10:{colours}"}
        stream = file.add_stream(codec, rate=25, options=options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p10le"
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = 9, number, 9, 1
        for k, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "rgb48le").reformat(
                format="yuv420p10le", dst_colorspace=9, dst_color_range=1
            )
            frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range = 9, number, 9, 1
            frame.pts, frame.time_base = k, Fraction(1, 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


@pytest.mark.parametrize("transfer", ["pq", "hlg"])
@pytest.mark.parametrize(("codec", "suffix"), [("libx265", "mp4"), ("libsvtav1", "mp4"), ("libx265", "mkv")])
def test_hdr_is_shown_in_the_colours_of_its_ordinary_twin(tmp_path, transfer, codec, suffix):
    if suffix == "mkv" and transfer == "hlg":
        pytest.skip("one of the two is enough there")
    picture = scene(10)
    path = write_hdr(tmp_path / f"clip.{suffix}", [hdr_of(picture, transfer)] * 10, transfer, codec)
    clip = read_clip(path)
    assert all(shows_scene(frame.image, 30) for frame in clip.frames)
    assert np.abs(cv2.resize(clip.frames[0].image, (320, 240)).astype(int) - picture).mean() < 16
    (tmp_path / "copy.mp4").write_bytes(browser_copy(path))
    assert all(shows_scene(frame.image, 35) for frame in read_clip(tmp_path / "copy.mp4").frames)


# The clock


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.webm", "clip.mov", "clip.ts"])
@pytest.mark.parametrize(
    ("begins", "sound", "first"), [(4.0, 0.0, 4.0), (0.0, 1.0, 0.0), (3.0, 2.0, 1.0), (5.0, None, 0.0)]
)
def test_times_are_those_of_a_player(tmp_path, name, begins, sound, first):
    codec = "libvpx-vp9" if name.endswith("webm") else "libx264"
    options = {"bf": "0"} if codec == "libx264" else {}
    pictures = [scene(k) for k in range(25)]
    path = write_video(tmp_path / name, pictures, codec, options=options, begins=begins, sound=sound)
    clip = read_clip(path)
    assert clip.frames[0].time == pytest.approx(first, abs=0.05)
    assert clip.duration == pytest.approx(first + 0.96, abs=0.06)
    assert np.diff([frame.time for frame in clip.frames]) == pytest.approx(0.2, abs=0.03)


def test_the_copy_keeps_the_clock(tmp_path):
    path = write_video(tmp_path / "clip.mkv", [scene(k) for k in range(25)], begins=4.0, sound=0.0)
    (tmp_path / "copy.mp4").write_bytes(browser_copy(path))
    with av.open(str(tmp_path / "copy.mp4")) as container:
        times = [frame.time for frame in container.decode(video=0)]
    clip = read_clip(path)
    assert times[0] == 0
    assert times[1] == pytest.approx(clip.frames[0].time, abs=0.01)
    assert times[-1] == pytest.approx(clip.duration, abs=0.05)


# Several streams, and names


def test_a_thumbnail_beside_the_film_is_not_the_film(tmp_path):
    with av.open(str(tmp_path / "clip.mp4"), "w") as file:
        small = file.add_stream("mjpeg", rate=25)
        film = file.add_stream("libx264", rate=25)
        for stream, (width, height), pixels in ((small, (160, 120), "yuvj420p"), (film, (320, 240), "yuv420p")):
            stream.width, stream.height, stream.pix_fmt = width, height, pixels
        for k in range(25):
            for stream, picture in ((small, np.zeros((120, 160, 3), np.uint8)), (film, scene(k))):
                if stream is film or k == 0:
                    frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format=stream.pix_fmt)
                    frame.pts, frame.time_base = k, Fraction(1, 25)
                    file.mux(stream.encode(frame))
        file.mux(small.encode())
        file.mux(film.encode())
    clip = read_clip(tmp_path / "clip.mp4")
    assert (clip.width, clip.height) == (320, 240)
    assert all(shows_scene(frame.image) for frame in clip.frames)


@pytest.mark.parametrize(
    "name", [b"caf\xe9.mp4", b"line\nbreak.mp4", b"\x1b[31mred.mp4", "日本.mp4".encode(), b"-.mp4", b"%d.mp4"]
)
def test_names_are_bytes(tmp_path, bikes, name):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/" + name)
    shutil.copy(bikes, path)
    assert len(read_clip(path).frames) == 50
    assert browser_copy(path)
    with open(path, "wb") as file:
        file.write(b"no video")
    with pytest.raises(MediaError) as caught:
        read_clip(path)
    assert str(caught.value).isprintable()


def test_ordinary_videos_stay_with_opencv():
    for path in [*SAMPLES.glob("*.mp4"), *(ISCC / "video").glob("demo.*")]:
        assert opencv_shows_rightly(inspect(path, path.name)), path.name
