from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.canvas import PREVIEW_SIDE, WIDE
from pipeline.media.clip import ClipStream, decode_jpeg
from pipeline.media.reader import MAX_STEPS, read_clip
from pipeline.sandbox import decode as decode_module
from pipeline.sandbox import videos
from pipeline.sandbox.decode import decode
from pipeline.sandbox.messages import MediaError
from pipeline.sandbox.sampling import BURST, SLOT
from tests.hostile.corpus import png
from tests.sample_media import ISCC


def grey(level: int, height: int = 64, width: int = 96) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


@pytest.mark.parametrize("seconds", [0.1, 0.7, 2.0, 5.3, 12.8, 12.9, 20.0, 26.0, 47.0])
def test_short_clips_are_read_whole_and_longer_ones_in_bursts(make_clip, seconds):
    count = round(seconds * 10)
    clip = read_clip(make_clip([grey(128)] * count, rate=10))
    times = np.array([frame.time for frame in clip.frames])
    slots = np.round(times / SLOT).astype(int)
    assert times == pytest.approx(slots * SLOT)
    assert clip.duration == pytest.approx((count - 1) / 10)
    assert [frame.index for frame in clip.frames] == list(range(len(times)))
    # Every second burst is left out as often as needed, and no oftener.
    every = np.arange((count + 1) // 2)
    kept = [every[every // BURST % 2**exponent == 0].tolist() for exponent in range(9)]
    assert slots.tolist() == next(slots for slots in kept if len(slots) <= MAX_STEPS)
    assert len(times) > MAX_STEPS / 2 or len(times) == len(every)


def test_each_frame_is_the_picture_of_its_time(make_clip):
    # Picture n has brightness 20 + 4 (n % 55), so an image tells which picture it is, JPEG's rounding and all.
    clip = read_clip(make_clip([grey(20 + 4 * (n % 55)) for n in range(220)], rate=10))
    assert len(clip.frames) > 32
    for frame in clip.frames:
        assert (frame.image.mean() - 20) / 4 == pytest.approx(round(frame.time * 10) % 55, abs=0.45)


def test_too_few_steps_for_a_burst_are_refused(bikes):
    assert len(read_clip(bikes, BURST).frames) == BURST
    with pytest.raises(ValueError, match="8 frames or more"):
        read_clip(bikes, BURST - 1)


def test_colours_are_rgb(make_clip):
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 255
    image = read_clip(make_clip([red] * 3)).frames[0].image
    assert image[..., 0].mean() > 200
    assert image[..., 1:].mean() < 60


def test_kept_images_are_bounded(make_clip, tmp_path):
    frame = read_clip(make_clip([grey(90, 1080, 1920)] * 2)).frames[0]
    assert frame.image.shape == (*WIDE, 3)
    assert decode_jpeg(frame.preview_jpeg).shape == (PREVIEW_SIDE, PREVIEW_SIDE * 16 / 9, 3)
    Image.fromarray(grey(90, 20, 20000)).save(tmp_path / "panorama.png")
    (frame,) = read_clip(tmp_path / "panorama.png").frames
    assert frame.image.shape == (*WIDE, 3)
    assert max(decode_jpeg(frame.preview_jpeg).shape) <= 4 * PREVIEW_SIDE


def test_rotation_in_the_metadata_is_honoured(concert, tmp_path):
    """A phone stores its clips lying and says so in the track header's matrix (ISO 14496-12, 8.3.2)."""
    data = bytearray(concert.read_bytes())
    upright = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    quarter = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)
    header = data.index(b"tkhd")
    place = data.index(upright, header)
    assert place - header < 60
    data[place : place + len(upright)] = quarter
    (tmp_path / "phone.mp4").write_bytes(data)
    lying, standing = read_clip(concert), read_clip(tmp_path / "phone.mp4")
    assert (standing.width, standing.height) == (lying.height, lying.width)
    turned = np.rot90(decode_jpeg(lying.frames[3].preview_jpeg), -1)
    assert np.abs(decode_jpeg(standing.frames[3].preview_jpeg).astype(int) - turned).mean() < 2


def test_a_photo_is_a_clip_of_one_upright_frame(tmp_path):
    picture = grey(30, 40, 80)
    picture[:, :40] = 220  # light left half
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned a quarter to the right
    Image.fromarray(picture).save(tmp_path / "photo.jpg", exif=exif)
    clip = read_clip(tmp_path / "photo.jpg")
    assert clip.kind == "photo"
    assert (clip.width, clip.height) == (40, 80)
    (frame,) = clip.frames
    assert frame.time == 0
    assert frame.image[:90].mean() > 200
    assert frame.image[-90:].mean() < 60


def test_a_folder_is_a_clip_in_name_order(tmp_path):
    for name, level in (("c.png", 200), ("a.jpg", 20), ("b.webp", 100)):
        Image.fromarray(grey(level)).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not an image")
    clip = read_clip(tmp_path)
    assert clip.kind == "folder"
    assert [round(frame.image.mean(), -1) for frame in clip.frames] == [20, 100, 200]


def test_a_long_folder_is_spread_from_its_first_to_its_last_image(tmp_path):
    for n in range(120):
        Image.fromarray(grey(2 * n)).save(tmp_path / f"{n:03}.png")
    clip = read_clip(tmp_path)
    assert len(clip.frames) == MAX_STEPS
    assert clip.frames[0].image.mean() == 0
    assert clip.frames[-1].image.mean() == 2 * 119


def test_a_clip_of_one_picture(make_clip):
    assert len(read_clip(make_clip([grey(7)])).frames) == 1


def test_a_cut_off_clip_gives_what_is_left(tmp_path):
    whole = ISCC / "video" / "demo.webm"
    part = tmp_path / "part.webm"
    part.write_bytes(whole.read_bytes()[: whole.stat().st_size // 3])
    assert 1 <= len(read_clip(part).frames) <= MAX_STEPS
    assert read_clip(part).duration < read_clip(whole).duration / 2


@pytest.fixture
def claim(monkeypatch):
    """claim(count) makes every video say that it has so many pictures, at 10 a second."""

    def lie(count: float) -> None:
        def inspect(path: Path, name: str) -> videos.Video:
            return replace(videos.inspect(path, name), claimed_duration=max(0.0, (count - 1) / 10))

        monkeypatch.setattr(decode_module, "inspect", inspect)

    return lie


@pytest.mark.parametrize("count", [-2.56e15, 0, 1, 37, 150, 331, 3000, 80_000])
def test_what_a_video_claims_of_its_length_changes_nothing(make_clip, claim, count):
    path = make_clip([grey(20 + n // 2) for n in range(330)], rate=10)
    honest = ClipStream(decode(path, MAX_STEPS, "clip")).clip()
    claim(count)
    clip = ClipStream(decode(path, MAX_STEPS, "clip")).clip()
    assert [(f.index, f.time) for f in clip.frames] == [(f.index, f.time) for f in honest.frames]
    assert clip.duration == honest.duration
    for one, other in zip(clip.frames, honest.frames, strict=True):
        np.testing.assert_array_equal(one.image, other.image)


def test_frames_are_given_while_the_clip_is_decoded_each_once_and_in_order(concert, make_clip):
    for path in (concert, make_clip([grey(n) for n in range(200)], rate=10)):
        stream = ClipStream(decode(path, MAX_STEPS, "clip"))
        given = list(stream)
        assert [frame.time for frame in given] == [frame.time for frame in stream.clip().frames]
        assert len(given) > 32


def y4m(width: int, height: int) -> bytes:
    return f"YUV4MPEG2 W{width} H{height} F25:1 Ip A1:1 C420\nFRAME\n".encode() + bytes(1000)


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + bytes(4)


BAD = {
    "text.mp4": b"This is a shopping list.\n" * 40,
    "empty.mp4": b"",
    "no-index.mp4": (ISCC / "video" / "demo.mp4").read_bytes()[:200_000],
    "sound-only.mp4": (ISCC / "audio" / "demo.mp3").read_bytes(),
    "sound-only.ogg": (ISCC / "audio" / "demo.ogg").read_bytes(),
    "nothing-by-nothing.y4m": y4m(0, 0),
    "enormous.y4m": y4m(100_000, 100_000),
    "enormous.png": png_header(100_000, 100_000),
    "nothing-by-nothing.png": png_header(0, 0),
    "half.png": (ISCC / "image" / "demo.png").read_bytes()[:5000],
    "half.jpg": (ISCC / "image" / "demo.jpg").read_bytes()[:3000],
    "list.mp4": b"ffconcat version 1.0\nfile '/etc/hostname'\n",
    "playlist.mp4": b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nother.mp4\n#EXT-X-ENDLIST\n",
    "session.mp4": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
    "manifest.mp4": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"></MPD>',
    "document.pdf": (ISCC / "text" / "demo.pdf").read_bytes(),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_sentence(name, tmp_path):
    (tmp_path / name).write_bytes(BAD[name])
    with pytest.raises(MediaError) as caught:
        read_clip(tmp_path / name)
    sentence = str(caught.value)
    assert sentence.startswith(name)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert str(tmp_path) not in sentence


@pytest.mark.parametrize("width", [8001, 16_001])  # Pillow warns above its limit, and raises above twice that
def test_a_photo_above_the_limit_is_refused_before_it_takes_memory(width, tmp_path):
    (tmp_path / "large.png").write_bytes(png(width, 8000, b""))
    with pytest.raises(MediaError, match=r"large\.png has too many pixels; the limit is 64 million\."):
        read_clip(tmp_path / "large.png")


def test_what_is_not_there(tmp_path):
    for path in (tmp_path / "absent.mp4", tmp_path):  # the folder exists, but holds no images
        with pytest.raises(MediaError):
            read_clip(path)
