from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import threading
import time
from collections import deque
from pathlib import Path
from typing import IO

import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline.media import decoder_process, server_pool, worker_pool
from pipeline.media import decoders as decoders_module
from pipeline.media.child_start import start_options
from pipeline.media.clip import Clip, ClipStream
from pipeline.media.decoder_process import MESSAGES_PER_STEP, start_decoding
from pipeline.media.decoders import take_decoder
from pipeline.media.reader import MAX_STEPS, browser_copy, open_clip, read_clip
from pipeline.media.server_pool import ForkServer
from pipeline.media.worker_pool import Worker
from pipeline.sandbox.decode import decode
from pipeline.sandbox.messages import MAX_NAMES, MediaError
from tests.sample_media import decoders, no_decoder_is_left

JPEG = cv2.imencode(".jpg", np.zeros((4, 4, 3), np.uint8))[1].tobytes()


@pytest.fixture(autouse=True, params=["fork", "spawn"])
def way(request, monkeypatch) -> str:
    """Every test here holds for decoders that are forked and for those that are spawned."""
    monkeypatch.setattr(decoders_module, "DECODER", request.param)
    return request.param


@pytest.fixture
def fresh(monkeypatch) -> None:
    """Fork servers and workers of this test's own, with this test's environment, and none left over."""
    idle, workers = server_pool.queue.LifoQueue(), deque()
    monkeypatch.setattr(server_pool, "_idle", idle)
    monkeypatch.setattr(worker_pool, "_idle", workers)
    yield
    while not idle.empty():
        idle.get().kill()
    for worker in workers:
        worker.kill()


def test_the_child_hands_over_what_it_decoded(concert, cat):
    for path in (concert, cat):
        here, there = ClipStream(decode(path, MAX_STEPS, "x")).clip(), read_clip(path)
        assert (here.kind, here.duration, here.mime) == (there.kind, there.duration, there.mime)
        for one, other in zip(here.frames, there.frames, strict=True):
            assert one.time == other.time
            np.testing.assert_array_equal(one.image, other.image)
            assert one.preview_jpeg == other.preview_jpeg


def test_nothing_is_left_when_a_clip_was_read(concert):
    read_clip(concert)
    assert no_decoder_is_left()


@pytest.mark.usefixtures("fresh")
def test_decoders_give_way_to_whoever_waits_for_them(way):
    decoder = take_decoder()
    assert decoder.missing_guards() == decoders_module.missing_guards()  # it is ready
    assert os.getpriority(os.PRIO_PROCESS, decoder._process.pid) > os.getpriority(os.PRIO_PROCESS, 0)
    decoder.kill()


@pytest.mark.usefixtures("fresh")
def test_a_decoder_that_is_killed_in_the_middle_is_a_sentence_and_the_next_clip_is_read(slow_clip, cat):
    def kill() -> None:
        while not (found := decoders()):
            time.sleep(0.01)
        time.sleep(0.1)
        os.kill(found[0], signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    with pytest.raises(MediaError, match=r"could not be decoded|cannot start"):  # a worker may still have been starting
        read_clip(slow_clip)
    killer.join()
    assert read_clip(cat).kind == "photo"
    assert no_decoder_is_left()


@pytest.mark.usefixtures("fresh")
def test_a_decoder_that_takes_too_long_is_ended(slow_clip, monkeypatch, cat):
    monkeypatch.setattr(decoder_process, "DECODER_SECONDS", 0.5)
    with pytest.raises(MediaError, match="takes longer"):
        read_clip(slow_clip)
    assert no_decoder_is_left()
    monkeypatch.setattr(decoder_process, "DECODER_SECONDS", 60)
    assert read_clip(cat).kind == "photo"


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("limit", [("DECODER_MEGABYTES", "48"), ("DECODER_CPU_SECONDS", "1")])
def test_memory_and_processor_time_have_limits(limit, monkeypatch, tmp_path, slow_clip):
    monkeypatch.setenv(f"UNROLL_{limit[0]}", limit[1])
    path = slow_clip
    if limit[0] == "DECODER_MEGABYTES":
        path = tmp_path / "large.png"
        Image.new("RGB", (6000, 6000)).save(path)
    with pytest.raises(MediaError, match=r"could not be decoded|needs more memory"):
        read_clip(path)
    assert no_decoder_is_left()


@pytest.mark.usefixtures("fresh")
def test_a_child_knows_no_secret(monkeypatch):
    monkeypatch.setenv("DATABASE_PASSWORD", "hush")
    environment = start_options("module")["env"]
    assert "hush" not in environment.values()
    assert "PATH" in environment
    decoder = take_decoder()
    decoder.missing_guards()  # waits until it is ready
    if os.geteuid() == 0:  # nobody else may look into it
        assert b"hush" not in Path(f"/proc/{decoder._process.pid}/environ").read_bytes()
    decoder.kill()


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("way", ["both"])
def test_both_ways_read_the_same(monkeypatch, concert, cat, tmp_path):
    shutil.copytree(cat.parent, tmp_path / "folder")
    os.symlink(cat, tmp_path / "folder" / "link.jpg")
    found: dict[str, list[Clip]] = {}
    for way in ("fork", "spawn"):
        monkeypatch.setattr(decoders_module, "DECODER", way)
        found[way] = [read_clip(path) for path in (concert, concert.with_suffix(".gif"), cat, tmp_path / "folder")]
        assert browser_copy(concert.with_suffix(".avi"))
    for one, other in zip(found["fork"], found["spawn"], strict=True):
        assert (one.kind, one.duration, one.left_out) == (other.kind, other.duration, other.left_out)
        assert [frame.preview_jpeg for frame in one.frames] == [frame.preview_jpeg for frame in other.frames]
    assert "link.jpg" not in found["fork"][-1].left_out


@pytest.mark.usefixtures("fresh")
def test_a_list_of_other_files_opens_none_of_them(tmp_path, concert):
    shutil.copy(concert, tmp_path / "secret.mp4")
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile 'secret.mp4'\n")
    with pytest.raises(MediaError):
        read_clip(tmp_path / "list.mp4")


@pytest.mark.usefixtures("fresh")
def test_several_clips_at_once(concert, cat):
    found: list[str] = []
    threads = [threading.Thread(target=lambda p=p: found.append(read_clip(p).kind)) for p in (concert, cat) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == ["photo"] * 3 + ["video"] * 3


def frame(time: float, jpeg: bytes = JPEG) -> bytes:
    told = {"frame": [0, time, [224, 288], len(jpeg)]}
    return line(told) + bytes(224 * 288 * 3) + jpeg


def line(told: object) -> bytes:
    return json.dumps(told).encode() + b"\n"


OPENED, PHOTO = (line({"opened": [kind, 4, 3, None, 0]}) for kind in ("video", "photo"))
PNG = cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1].tobytes()
HOSTILE = {
    "nothing": b"",
    "nonsense": b"\xff" * 99,
    "a deep list": b"[" * 150_000,
    "no beginning": frame(0) + line({"ended": [0, [0], []]}),
    "two beginnings": OPENED + OPENED,
    "another kind": line({"opened": ["cat", 4, 3, None, 0]}),
    "another type": line({"opened": ["video", 4, 3, "text/html", 0]}),
    "a time that is none": OPENED + frame(float("nan")),
    "a negative time": OPENED + frame(-1),
    "no frames": OPENED + line({"ended": [0, [], []]}),
    "a frame that never came": OPENED + frame(0) + line({"ended": [0, [0, 1], []]}),
    "a photo of two": PHOTO + frame(0) + frame(1),
    "a copy that nobody wanted": line({"copy": 3}) + b"abc",
    "more names than are sent": OPENED + frame(0) + line({"ended": [0, [0], ["x"] * (MAX_NAMES + 1)]}),
    "another format": OPENED + frame(0, PNG),
    "more than was wanted": OPENED + frame(0) * (MESSAGES_PER_STEP * MAX_STEPS + 1),
}


@pytest.mark.parametrize("said", HOSTILE.values(), ids=HOSTILE.keys())
def test_nothing_that_a_child_says_is_believed(said, monkeypatch, fresh):
    """What a decoder would say that a file has taken over: a sentence for its visitor, and nobody waits for ever."""

    def send(self: ForkServer | Worker, job: dict) -> IO[bytes]:
        readable, writable = os.pipe()

        def speak() -> None:
            with contextlib.suppress(BrokenPipeError), os.fdopen(writable, "wb") as pipe:
                pipe.write(said)

        threading.Thread(target=speak, daemon=True).start()
        return os.fdopen(readable, "rb")

    monkeypatch.setattr(ForkServer, "send", send)
    monkeypatch.setattr(Worker, "send", send)
    with pytest.raises(MediaError, match="could not be decoded"):
        start_decoding(Path("x"), MAX_STEPS, "x").clip()


@pytest.mark.usefixtures("fresh")
def test_without_a_decoder_there_is_a_sentence(monkeypatch, cat):
    def gone(self: ForkServer | Worker, job: dict) -> IO[bytes]:
        raise BrokenPipeError

    monkeypatch.setattr(ForkServer, "send", gone)
    monkeypatch.setattr(Worker, "send", gone)
    with pytest.raises(MediaError, match="decoder process cannot start"):
        read_clip(cat)


@pytest.mark.usefixtures("fresh")
def test_a_stream_that_nobody_reads_ends_its_child(slow_clip):
    with open_clip(slow_clip):
        pass
    assert no_decoder_is_left()
