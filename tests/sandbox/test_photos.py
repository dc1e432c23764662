"""Photos as phones, cameras, scanners and drawing pages make them."""

from __future__ import annotations

import io
import struct

import av
import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps, TiffImagePlugin

from pipeline.media import MediaError, read_clip
from pipeline.sandbox.photos import to_8_bits, turn_upright
from tests.made_media import scene, shows_scene, write_heic, write_video
from tests.sample_media import ISCC

RAMP = np.linspace(0, 1, 256)[None].repeat(64, 0)


def shown(path) -> np.ndarray:
    (frame,) = read_clip(path).frames
    return frame.image


@pytest.mark.parametrize("name", ["photo.heic", "photo.HEIF", "photo.jpg", "photo.mp4", "photo"])
def test_a_photo_of_a_phone_is_whole_and_upright_whatever_its_name(tmp_path, name):
    path = write_heic(tmp_path / name, np.rot90(scene(0, 600, 400), -1), quarter_turns=1)
    clip = read_clip(path)
    assert (clip.kind, clip.width, clip.height) == ("photo", 600, 400)
    assert shows_scene(clip.frames[0].image)


@pytest.mark.parametrize("brand", [b"heic", b"mif1", b"avif"])
def test_a_damaged_photo_of_a_phone_is_never_a_video_of_one_tile(tmp_path, brand):
    path = write_heic(tmp_path / "photo.heic", scene(0, 600, 400), brand=brand)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"dimg", b"xxxx").replace(b"pitm", b"xxxx"))
    with pytest.raises(MediaError):
        read_clip(path)


def test_a_cover_is_not_the_film_and_a_recording_with_a_cover_is_none(tmp_path):
    film = write_video(tmp_path / "film.mp4", [scene(k) for k in range(20)], sound=0.0)
    cover = io.BytesIO()
    Image.fromarray(np.zeros((500, 500, 3), np.uint8)).save(cover, "JPEG")
    for name, kinds in (("both.mp4", ("video", "audio")), ("sound.m4a", ("audio",))):
        with av.open(str(film)) as source, av.open(str(tmp_path / name), "w", format="mp4") as target:
            picture = target.add_stream("mjpeg", rate=1)
            picture.width = picture.height = 500
            picture.pix_fmt = "yuvj420p"
            picture.disposition = av.stream.Disposition.attached_pic
            streams = {s.index: target.add_stream_from_template(s) for s in source.streams if s.type in kinds}
            frame = av.VideoFrame.from_ndarray(np.zeros((500, 500, 3), np.uint8), "rgb24").reformat(format="yuvj420p")
            target.mux(picture.encode(frame))
            target.mux(picture.encode())
            for packet in source.demux():
                if packet.stream.index in streams and packet.dts is not None:
                    packet.stream = streams[packet.stream.index]
                    target.mux(packet)
    clip = read_clip(tmp_path / "both.mp4")
    assert (clip.width, clip.height) == (320, 240)
    assert all(shows_scene(frame.image) for frame in clip.frames)
    with pytest.raises(MediaError, match="no video"):
        read_clip(tmp_path / "sound.m4a")


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_grey_of_more_than_8_bits_is_scaled(tmp_path, bits):
    samples = np.round(RAMP * (2**bits - 1)).astype(np.uint16)
    Image.fromarray(samples).save(tmp_path / "deep.png")
    Image.fromarray(samples).save(tmp_path / "deep.tif")
    plain = Image.fromarray(np.round(RAMP * 255).astype(np.uint8))
    plain.save(tmp_path / "plain.png")
    for name in ("deep.png", "deep.tif"):
        assert np.abs(shown(tmp_path / name).astype(int) - shown(tmp_path / "plain.png")).max() <= 2, name


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("alpha", [False, True])
def test_colours_of_more_than_8_bits_are_scaled(tmp_path, bits, suffix, alpha):
    picture = (scene(0, 64, 48)[..., ::-1].astype(int) * (2**bits - 1) // 255).astype(np.uint16)
    if alpha:
        picture = np.dstack([picture, np.full(picture.shape[:2], 2**bits - 1, np.uint16)])
    cv2.imwrite(str(tmp_path / f"deep.{suffix}"), picture)
    assert shows_scene(shown(tmp_path / f"deep.{suffix}"))


def test_a_tiff_says_what_is_white(tmp_path):
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[281] = 4095  # MaxSampleValue
    Image.fromarray(np.full((40, 60), 900, np.uint16)).save(tmp_path / "dark.tif", tiffinfo=tags)
    assert shown(tmp_path / "dark.tif").mean() == pytest.approx(255 * 900 / 4095, abs=1)


def test_fractions_and_big_endian_samples(tmp_path):
    Image.fromarray(RAMP.astype(np.float32)).save(tmp_path / "fraction.tif")
    Image.fromarray((RAMP * 1000 - 500).astype(np.float32)).save(tmp_path / "range.tif")
    Image.fromarray((RAMP * 65535).astype(">u2")).save(tmp_path / "big.tif")
    for name in ("fraction.tif", "range.tif", "big.tif"):
        assert np.abs(shown(tmp_path / name)[100, :, 0] - np.linspace(0, 255, 288)).max() < 4, name


def test_nonsense_samples_are_no_error():
    assert to_8_bits(np.full((2, 2), np.nan, np.float32)).max() == 0
    assert to_8_bits(np.array([[0, np.inf, 1]], np.float32)).tolist() == [[0, 255, 255]]
    assert to_8_bits(np.zeros((2, 2), np.int32)).max() == 0


def ink(mode: str) -> Image.Image:
    """A black bar on nothing; what is transparent is black too."""
    alpha = np.zeros((100, 100), np.uint8)
    alpha[40:60, 10:90] = 255
    rgba = Image.fromarray(np.dstack([np.zeros((100, 100, 3), np.uint8), alpha]))
    if mode == "P":
        picture = Image.fromarray((alpha > 0).astype(np.uint8), "P")
        picture.putpalette([0, 0, 0, 0, 0, 0])
        picture.info["transparency"] = 0
        return picture
    return rgba.convert(mode)


@pytest.mark.parametrize(("mode", "suffix"), [("RGBA", "png"), ("LA", "png"), ("P", "png"), ("RGBA", "webp")])
def test_ink_on_nothing_is_ink_on_white(tmp_path, mode, suffix):
    options = {"transparency": 0} if mode == "P" else {"lossless": True, "exact": True} if suffix == "webp" else {}
    ink(mode).save(tmp_path / f"ink.{suffix}", **options)
    image = shown(tmp_path / f"ink.{suffix}")
    assert image[10:70].min() > 250
    assert image[105:120, 60:230].max() < 5


def exif_with_odd_tag(orientation: int) -> bytes:
    """Orientation, and an exposure bias of -1/0 behind it, as some cameras write."""
    entries = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0) + struct.pack("<HHII", 0x9204, 10, 1, 38)
    return b"Exif\0\0II*\0" + struct.pack("<I", 8) + struct.pack("<H", 2) + entries + struct.pack("<Iii", 0, -1, 0)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_an_odd_tag_stops_no_picture(tmp_path, suffix):
    upright = scene(0, 120, 80)
    path = tmp_path / f"photo.{suffix}"
    if suffix == "tif":
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[0x0112], tags[0x9204] = 6, TiffImagePlugin.IFDRational(-1, 0)
        Image.fromarray(np.rot90(upright)).save(path, tiffinfo=tags)
    else:
        Image.fromarray(np.rot90(upright)).save(path, exif=exif_with_odd_tag(6), quality=95)
    clip = read_clip(path)
    assert (clip.width, clip.height) == (120, 80)
    assert shows_scene(clip.frames[0].image)


@pytest.mark.parametrize("junk", [b"", b"Exif\0\0", b"Exif\0\0II*\0" + b"\xff" * 60, b"Exif\0\0MM\0*" + bytes(3)])
def test_broken_metadata_stops_no_picture(tmp_path, junk):
    Image.fromarray(scene(0)).save(tmp_path / "photo.jpg", quality=95)
    data = (tmp_path / "photo.jpg").read_bytes()
    segment = b"\xff\xe1" + struct.pack(">H", 2 + len(junk)) + junk
    (tmp_path / "photo.jpg").write_bytes(data[:2] + segment + data[2:])
    assert shows_scene(shown(tmp_path / "photo.jpg"))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_as_pillow_turns_it(orientation):
    picture = np.random.default_rng(0).integers(0, 255, (5, 7, 3)).astype(np.uint8)
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(picture).save(file, "PNG", exif=exif)
    np.testing.assert_array_equal(
        turn_upright(picture, orientation), np.asarray(ImageOps.exif_transpose(Image.open(file)))
    )


@pytest.mark.parametrize("mode", ["CMYK", "L", "1", "YCbCr", "LAB"])
def test_other_colour_models(tmp_path, mode):
    picture = Image.fromarray(scene(0))
    if mode == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        picture = ImageCms.profileToProfile(picture, *profiles, outputMode="LAB")
    else:
        picture = picture.convert(mode)
    picture.save(tmp_path / "photo.tif")
    image = shown(tmp_path / "photo.tif")
    assert shows_scene(image) or mode in ("L", "1")


def animated(path, count: int = 20, **options) -> None:
    first, *rest = [Image.fromarray(scene(k)).convert("RGBA") for k in range(count)]
    first.save(path, save_all=True, append_images=rest, duration=100, **options)


@pytest.mark.parametrize("name", ["clip.webp", "clip.png", "clip.apng", "clip.avif", "clip.jpg"])
def test_an_animated_picture_is_a_clip_as_a_gif_is(tmp_path, name):
    kinds = {"webp": "WEBP", "png": "PNG", "apng": "PNG", "avif": "AVIF", "jpg": "WEBP"}
    animated(tmp_path / name, format=kinds[name.split(".")[1]])
    clip = read_clip(tmp_path / name)
    assert (clip.kind, clip.width, clip.height) == ("video", 320, 240)
    assert clip.duration == pytest.approx(1.9)
    assert [frame.time for frame in clip.frames] == pytest.approx(np.arange(10) * 0.2)
    assert all(shows_scene(frame.image, 20) for frame in clip.frames)
    assert np.abs(clip.frames[0].image.astype(int) - clip.frames[5].image).mean() > 2


def test_one_picture_of_an_animated_format_is_a_photo(tmp_path):
    Image.fromarray(scene(0)).save(tmp_path / "photo.webp")
    assert read_clip(tmp_path / "photo.webp").kind == "photo"


def test_pages_and_views_are_no_clip(tmp_path):
    pages = [Image.fromarray(scene(k)) for k in range(3)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / "views.jpg", "MPO", save_all=True, append_images=pages[1:])
    for name in ("pages.tif", "views.jpg"):
        assert read_clip(tmp_path / name).kind == "photo", name


def test_a_torn_animation_gives_what_is_left(tmp_path):
    animated(tmp_path / "clip.png")
    data = (tmp_path / "clip.png").read_bytes()
    (tmp_path / "torn.png").write_bytes(data[: len(data) // 2])
    assert 1 <= len(read_clip(tmp_path / "torn.png").frames) < 20


def test_a_truncated_photo_is_still_damaged(tmp_path):
    data = (ISCC / "image" / "demo.jpg").read_bytes()
    (tmp_path / "half.jpg").write_bytes(data[: len(data) // 2])
    with pytest.raises(MediaError, match="damaged"):
        read_clip(tmp_path / "half.jpg")
