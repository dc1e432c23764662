"""Media as cameras, browsers and editors make them, built here byte by byte or by PyAV."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

LEFT, RIGHT = (200, 120, 0), (200, 0, 0)  # the colours of the two halves of scene(), RGB


def scene(index: int, width: int = 320, height: int = 240) -> np.ndarray:
    """A picture of two colours in which a white square moves, (H, W, 3) uint8 RGB."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[:, : width // 2], picture[:, width // 2 :] = LEFT, RIGHT
    side, place = height // 4, (index * 4) % (width - height // 4)
    picture[height // 2 : height // 2 + side, place : place + side] = 255
    return picture


def shows_scene(image: np.ndarray, tolerance: float = 12) -> bool:
    """Whether a picture (H, W, 3) RGB has the colours of scene() in its upper corners."""
    height, width = image.shape[:2]
    corners = image[: height // 4, : width // 4], image[: height // 4, -width // 4 :]
    return all(
        np.abs(corner.reshape(-1, 3).mean(0) - colour).max() < tolerance
        for corner, colour in zip(corners, (LEFT, RIGHT), strict=True)
    )


def write_video(
    path: Path,
    pictures: Sequence[np.ndarray],
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rate: int = 25,
    options: dict[str, str] | None = None,
    *,
    prepare: Callable[[av.VideoStream], None] = lambda stream: None,
    container: str | None = None,
    begins: float = 0.0,
    sound: float | None = None,
) -> Path:
    """Pictures (H, W, 3) uint8 RGB as a video; pictures begin at ``begins``, sound at ``sound``, in seconds."""
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, options=options or {})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pixels
        stream.codec_context.time_base = Fraction(1, rate)
        prepare(stream)
        heard = (
            file.add_stream("libopus" if path.suffix == ".webm" else "aac", rate=48000) if sound is not None else None
        )
        if heard is not None:
            for k in range(100):
                frame = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.float32), "fltp", "mono")
                frame.rate, frame.pts, frame.time_base = 48000, round(sound * 48000) + 960 * k, Fraction(1, 48000)
                file.mux(heard.encode(frame))
            file.mux(heard.encode())
        for k, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = k + round(begins * rate), Fraction(1, rate)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


# HEIF (ISO 23008-12): a photo in tiles, as phones store it.


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + kind + body


def full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def write_heic(
    path: Path, picture: np.ndarray, tile: int = 128, quarter_turns: int = 0, brand: bytes = b"heic"
) -> Path:
    """A picture (H, W, 3) uint8 RGB as tiles of HEVC; ``quarter_turns`` to the left bring what is stored upright."""
    height, width = picture.shape[:2]
    rows, columns = -(-height // tile), -(-width // tile)
    padded = np.pad(picture, ((0, rows * tile - height), (0, columns * tile - width), (0, 0)), "edge")
    tiles = [padded[tile * r : tile * (r + 1), tile * c : tile * (c + 1)] for r in range(rows) for c in range(columns)]
    encoded = [hevc_still(part) for part in tiles]
    configuration = hevc_configuration(encoded[0][0])
    grid = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)
    count = len(tiles)
    ids = list(range(1, count + 1))
    entries = [full_box(b"infe", 2, 1, struct.pack(">HH", i, 0), b"hvc1", b"\0") for i in ids]
    entries.append(full_box(b"infe", 2, 0, struct.pack(">HH", count + 1, 0), b"grid", b"\0"))
    properties = [
        configuration,
        full_box(b"ispe", 0, 0, struct.pack(">II", tile, tile)),
        full_box(b"ispe", 0, 0, struct.pack(">II", width, height)),
        box(b"irot", bytes([quarter_turns])),
    ]
    uses = b"".join(struct.pack(">HBBB", i, 2, 0x81, 2) for i in ids) + struct.pack(">HBBB", count + 1, 2, 3, 0x84)
    payloads = [data for _, data in encoded]
    ftyp = box(b"ftyp", brand, struct.pack(">I", 0), b"mif1", b"heic")

    def meta(first: int) -> bytes:
        places, at = b"", first
        for i, data in zip([*ids, count + 1], [*payloads, grid], strict=True):
            places += struct.pack(">HHHII", i, 0, 1, at, len(data))
            at += len(data)
        return full_box(
            b"meta", 0, 0,
            full_box(b"hdlr", 0, 0, bytes(4), b"pict", bytes(12), b"\0"),
            full_box(b"pitm", 0, 0, struct.pack(">H", count + 1)),
            full_box(b"iloc", 0, 0, struct.pack(">BBH", 0x44, 0, count + 1), places),
            full_box(b"iinf", 0, 0, struct.pack(">H", count + 1), *entries),
            full_box(b"iref", 0, 0, box(b"dimg", struct.pack(f">HH{count}H", count + 1, count, *ids))),
            box(b"iprp", box(b"ipco", *properties), full_box(b"ipma", 0, 0, struct.pack(">I", count + 1), uses)),
        )  # fmt: skip

    before = len(ftyp) + len(meta(0)) + 8
    path.write_bytes(ftyp + meta(before) + box(b"mdat", *payloads, grid))
    return path


def hevc_still(picture: np.ndarray) -> tuple[list[bytes], bytes]:
    """The parameter sets, and the picture as HEIF stores it: each unit after its length."""
    encoder = av.CodecContext.create("libx265", "w")
    encoder.height, encoder.width = picture.shape[:2]
    encoder.pix_fmt, encoder.time_base = "yuv420p", Fraction(1, 25)
    encoder.options = {"x265-params": "keyint=1:log-level=none:info=0"}
    packets = encoder.encode(av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p")) + encoder.encode()
    stream = b"".join(bytes(packet) for packet in packets)
    units = [unit for unit in stream.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if unit]
    sets = [unit for unit in units if unit[0] >> 1 & 0x3F in (32, 33, 34)]
    shown = [unit for unit in units if unit[0] >> 1 & 0x3F < 32]
    return sets, b"".join(struct.pack(">I", len(unit)) + unit for unit in shown)


def hevc_configuration(sets: list[bytes]) -> bytes:
    """hvcC (ISO 14496-15, 8.3.3.1), Main profile, 8 bits, 4:2:0."""
    head = bytes([1, 1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 93, 0xF0, 0, 0xFC, 0xFD, 0xF8, 0xF8, 0, 0, 0x0F, len(sets)])
    arrays = [bytes([0x80 | unit[0] >> 1 & 0x3F]) + struct.pack(">HH", 1, len(unit)) + unit for unit in sets]
    return box(b"hvcC", head, *arrays)
