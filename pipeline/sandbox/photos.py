"""Photos become pictures, by Pillow: in known formats only, upright, over white, 8 bits a sample, without metadata."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
import pillow_heif
from PIL import Image, ImageFile, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from pipeline.canvas import PREVIEW_SIDE
from pipeline.limits import MAX_PIXELS
from pipeline.sandbox.formats import ANIMATED_FORMATS, PHOTO_FORMATS
from pipeline.sandbox.messages import MediaError
from pipeline.sandbox.opened_file import MediaFile, open_binary
from pipeline.sandbox.pictures import check_pixels, shrink_to_preview

Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # Pillow checks a header before it takes memory; it then holds to the same limit
pillow_heif.register_heif_opener(thumbnails=False)

ORIENTATION = 0x0112  # EXIF tag
WHITE_IS_ZERO, PHOTOMETRIC, BITS_PER_SAMPLE, MAX_SAMPLE, MAX_SAMPLE_VALUE = 0, 262, 258, 281, 341  # TIFF tags
DEPTHS = (8, 10, 12, 14, 16, 24, 32)  # bits that a sample has in practice


@contextmanager
def opened_photo(file: MediaFile, name: str) -> Iterator[ImageFile.ImageFile | None]:
    """The photo with only its header read; None if the content, never the name, is not that of a photo.

    Raises MediaError if it has too many pixels.
    """
    with open_binary(file) as stream:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)  # above the limit; twice it: an error
                photo = Image.open(stream, formats=PHOTO_FORMATS)
        except UnidentifiedImageError:
            photo = None
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise MediaError(f"{name} has too many pixels; the limit is {MAX_PIXELS // 10**6} million.") from error
        if photo is not None:
            with photo:
                check_pixels(name, *photo.size)
                yield photo
            return
    yield None


def is_animated(photo: ImageFile.ImageFile) -> bool:
    """Whether the pictures of the file are one clip. The pages of a TIFF and the views of a JPEG (MPO) are not."""
    return photo.format in ANIMATED_FORMATS and getattr(photo, "n_frames", 1) > 1


def decode_photo(photo: ImageFile.ImageFile, name: str) -> tuple[np.ndarray, tuple[int, int]]:
    """The preview, (H, W, 3) uint8 BGR, and the photo's own upright width and height.

    Raises MediaError if the pixels cannot be decoded.
    """
    width, height = photo.size
    try:
        if photo.format in ("JPEG", "MPO"):
            photo.draft("RGB", (2 * PREVIEW_SIDE, 2 * PREVIEW_SIDE))  # JPEGs decode straight to a smaller size
        picture = to_bgr(photo)
        turned = turn_upright(shrink_to_preview(picture), orientation(photo))
    except MemoryError:
        raise
    except Exception as error:  # decoders raise what they like
        raise MediaError(f"{name} is a damaged photo: it ends or breaks off early.") from error
    if (turned.shape[1] > turned.shape[0]) != (width > height):
        width, height = height, width
    return turned, (width, height)


def to_bgr(photo: ImageFile.ImageFile) -> np.ndarray:
    """(H, W, 3) uint8 BGR. Transparent parts show white; samples of more than 8 bits are scaled to 8."""
    if has_deep_colour(photo) and (samples := deep_samples(photo)) is not None:
        return over_white(to_8_bits(shrink_to_preview(samples), full_scale(photo) or depth_of(float(samples.max()))))
    photo.load()
    if photo.mode.startswith(("I", "F")):
        grey = to_8_bits(np.asarray(photo), full_scale(photo))
        if isinstance(photo, TiffImageFile) and photo.tag_v2.get(PHOTOMETRIC) == WHITE_IS_ZERO:
            grey = 255 - grey
        return cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
    picture: Image.Image = photo
    if photo.has_transparency_data:
        picture = Image.new("RGBA", photo.size, "white")
        picture.alpha_composite(photo.convert("RGBA"))
    elif photo.mode == "LAB":
        picture = lab_to_srgb(photo)
    return cv2.cvtColor(np.asarray(picture.convert("RGB")), cv2.COLOR_RGB2BGR)


def has_deep_colour(photo: ImageFile.ImageFile) -> bool:
    """Whether it has several channels of 16 bits, of which Pillow keeps only the upper 8."""
    arguments = photo.tile[0].args if photo.tile else None
    mode = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return isinstance(mode, str) and mode[:2] in ("RG", "LA") and ";16" in mode


def deep_samples(photo: ImageFile.ImageFile) -> np.ndarray | None:
    """(H, W, 3 or 4) uint16 BGR or BGRA as stored, by OpenCV; None if OpenCV cannot read it so."""
    if photo.fp is None:
        return None
    photo.fp.seek(0)
    samples = cv2.imdecode(np.frombuffer(photo.fp.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    return samples if samples is not None and samples.dtype == np.uint16 and samples.shape[2:] in ((3,), (4,)) else None


def over_white(picture: np.ndarray) -> np.ndarray:
    """(H, W, 3 or 4) uint8 BGR or BGRA -> BGR, laid over white."""
    if picture.shape[2] == 3:
        return picture
    alpha = picture[..., 3:].astype(np.float32) / 255
    return np.rint(picture[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)


def lab_to_srgb(photo: Image.Image) -> Image.Image:
    from PIL import ImageCms

    to_srgb = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
    return to_srgb.apply(photo)


def full_scale(photo: Image.Image) -> int | None:
    """The sample value of full brightness, as a TIFF states it; None if the file does not say."""
    if not isinstance(photo, TiffImageFile):
        return None
    for tag in (MAX_SAMPLE_VALUE, MAX_SAMPLE):
        value = photo.tag_v2.get(tag)
        value = value[0] if isinstance(value, tuple) and value else value
        if isinstance(value, int) and value > 0:
            return value
    bits = photo.tag_v2.get(BITS_PER_SAMPLE, (0,))[0]
    return 2**bits - 1 if 8 < bits < 16 else None


def to_8_bits(samples: np.ndarray, full: int | None = None) -> np.ndarray:
    """Samples of any type, (H, W, ...) -> uint8. ``full`` is the value of full brightness.

    Without it, whole numbers are taken to have the fewest common bits that hold them all (12 bits in a 16-bit file stay
    12 bits); fractions within 0..1 or 0..255 are taken as they are; everything else is stretched over its range.
    """
    if samples.dtype == np.bool_:
        return samples.astype(np.uint8) * 255
    finite = samples[np.isfinite(samples)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if full is not None and low >= 0 and high <= full:
        low, high = 0.0, float(full)
    elif low >= 0 and np.issubdtype(samples.dtype, np.integer):
        low, high = 0.0, float(depth_of(high))
    elif low >= 0 and high <= 255:
        low, high = 0.0, 1.0 if high <= 1 else 255.0
    scaled = np.nan_to_num((samples.astype(np.float32) - low) * (255 / max(high - low, 1e-12)), posinf=255.0)
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def depth_of(highest: float) -> int:
    """The value of full brightness for samples of the smallest common depth that holds this one."""
    return 2 ** next(bits for bits in DEPTHS if highest < 2**bits) - 1


def orientation(photo: Image.Image) -> int:
    """How to turn the picture, 1 to 8 as EXIF counts it; 1, as it is, whatever is wrong with the metadata."""
    try:
        return int(photo.getexif().get(ORIENTATION, 1))
    except Exception:  # a picture is a picture without its metadata too
        return 1


def turn_upright(picture: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W, 3) as it is stored -> as it is to be shown (TIFF 6.0, page 36)."""
    if orientation in (5, 6, 7, 8):
        picture = picture.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        picture = picture[:, ::-1]
    if orientation in (3, 4, 7, 8):
        picture = picture[::-1]
    return np.ascontiguousarray(picture)
