"""Hostile files, made by code from real ones: what a public page will be sent sooner or later.

Every case is a name and bytes, the same on every run.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from tests.sample_media import ISCC, SAMPLES

SEEDS = 46  # damaged copies of each real file
SOURCES = [  # a few hundred kilobytes of every kind, so that 500 of them are read in a minute
    SAMPLES / "carphone_pristine.mp4",
    *(ISCC / "video" / f"demo.{kind}" for kind in ("flv", "mkv", "webm", "wmv", "avi", "mpg", "gif")),
    *(ISCC / "image" / f"demo.{kind}" for kind in ("jpg", "png", "tif")),
]
MOST = 300_000  # bytes that are taken of a source; all but mp4 can be read from their beginning

Case = tuple[str, bytes]


def real() -> Iterator[Case]:
    for path in SOURCES:
        data = path.read_bytes()
        yield path.name, data if path.suffix == ".mp4" else data[:MOST]


def flipped() -> Iterator[Case]:
    """Bytes changed at random: a few or many, anywhere or in the header alone."""
    for name, data in real():
        for seed in range(SEEDS):
            rng = np.random.default_rng([seed, len(data)])
            copy = np.frombuffer(data, np.uint8).copy()
            area = min(len(copy), [len(copy), 2048, 256][seed % 3])
            places = rng.integers(0, area, [1, 8, 64, 512][seed % 4])
            copy[places] = rng.integers(0, 256, len(places))
            yield f"flipped-{seed}-{name}", copy.tobytes()


def truncated() -> Iterator[Case]:
    for name, data in real():
        for share in (0.001, 0.01, 0.1, 0.5, 0.9):
            yield f"cut-{share}-{name}", data[: max(1, int(share * len(data)))]


def lists_of_other_files() -> Iterator[Case]:
    """Text that FFmpeg would follow to other files or hosts, under a video's name."""
    yield "concat.mp4", b"ffconcat version 1.0\nfile '/etc/hostname'\nfile 'concat.mp4'\n"
    yield "playlist.mp4", b"#EXTM3U\n#EXTINF:10,\n/etc/hostname\n#EXT-X-ENDLIST\n"
    yield "far.mp4", b"#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n"
    yield "manifest.mp4", b'<?xml version="1.0"?><MPD type="static"><BaseURL>http://127.0.0.1:9/</BaseURL></MPD>'
    yield "session.mp4", b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
    yield "subtitle.mp4", b"1\n00:00:00,000 --> 00:00:01,000\nhello\n"
    yield "drawing.png", b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/hostname"/></svg>'
    yield "script.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/hostname) (r) file\n"


def png(width: int, height: int, rows: bytes) -> bytes:
    """A grey PNG whose header says this size and whose pixels are these bytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def bombs() -> Iterator[Case]:
    """Small files that would be large pictures, or very many."""
    yield "empty.mp4", b""
    yield "one-byte.mp4", b"\0"
    yield "zeros.mp4", bytes(100_000)
    yield "enormous.png", png(100_000, 100_000, b"")
    yield "nothing-by-nothing.png", png(0, 0, b"")
    yield "just-allowed.png", png(8000, 8000, bytes(8001 * 8000))
    yield "no-pixels.png", png(4000, 4000, b"")
    yield "line.png", png(60_000, 1, bytes(60_001))
    yield "frames.gif", gif(100_000)
    still = io.BytesIO()
    Image.new("RGB", (16, 16)).save(still, "PNG")
    yield "polyglot.png", still.getvalue() + (ISCC / "video" / "demo.mp4").read_bytes()[:50_000]
    yield "sound.mp4", (ISCC / "audio" / "demo.mp3").read_bytes()[:MOST]
    lying = bytearray((ISCC / "video" / "demo.avi").read_bytes()[:MOST])
    lying[48:52] = struct.pack("<I", 0xFFFFFFFF)  # avih: total frames
    lying[32:36] = struct.pack("<I", 1)  # microseconds a frame
    yield "lying.avi", bytes(lying)


def gif(frames: int) -> bytes:
    """One pixel, ``frames`` times."""
    head = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes([0, 0, 0, 255, 255, 255])
    frame = b"!\xf9\x04\x00\x01\x00\x00\x00" + b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    return head + frame * frames + b";"


def everything() -> Iterator[Case]:
    yield from flipped()
    yield from truncated()
    yield from lists_of_other_files()
    yield from bombs()
