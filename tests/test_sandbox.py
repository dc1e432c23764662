from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import sandbox
from pipeline.clip import ClipStream
from pipeline.footage import decode
from pipeline.media import MAX_STEPS, MediaError, read_clip
from pipeline.sandbox import Nursery, decoded
from tests.conftest import decoders


@pytest.fixture
def fresh(monkeypatch) -> None:
    """Nurseries of this test's own, with this test's environment, and none left over."""
    idle = sandbox.queue.LifoQueue()
    monkeypatch.setattr(sandbox, "_idle", idle)
    yield
    while not idle.empty():
        idle.get().kill()


def is_empty_nursery() -> bool:
    """Whether every decoder has ended, given a moment to do so."""
    for _ in range(200):
        if not decoders():
            return True
        time.sleep(0.01)
    return False


def test_the_child_hands_over_what_it_decoded(concert, cat):
    for path in (concert, cat):
        here, there = ClipStream(decode(path, MAX_STEPS, "x")).clip(), read_clip(path)
        assert (here.kind, here.duration, here.mime) == (there.kind, there.duration, there.mime)
        for one, other in zip(here.frames, there.frames, strict=True):
            assert one.time == other.time
            np.testing.assert_array_equal(one.image, other.image)
            np.testing.assert_array_equal(one.later, other.later)
            assert one.jpeg == other.jpeg


def test_nothing_is_left_when_a_clip_was_read(concert):
    read_clip(concert)
    assert is_empty_nursery()


@pytest.mark.usefixtures("fresh")
def test_a_decoder_that_is_killed_in_the_middle_is_a_sentence_and_the_next_clip_is_read(slow_clip, cat):
    def kill() -> None:
        while not (found := decoders()):
            time.sleep(0.01)
        time.sleep(0.1)
        os.kill(found[0], signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    with pytest.raises(MediaError, match="could not be decoded"):
        read_clip(slow_clip)
    killer.join()
    assert read_clip(cat).kind == "photo"
    assert is_empty_nursery()


@pytest.mark.usefixtures("fresh")
def test_a_decoder_that_hangs_is_ended(tmp_path, monkeypatch, cat):
    monkeypatch.setattr(sandbox, "DECODER_SECONDS", 0.5)
    os.mkfifo(tmp_path / "pipe.mp4")  # whoever opens it waits for ever
    with pytest.raises(MediaError, match="takes longer"):
        decoded(tmp_path / "pipe.mp4", MAX_STEPS, "pipe.mp4").clip()
    assert is_empty_nursery()
    monkeypatch.setattr(sandbox, "DECODER_SECONDS", 60)
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
    assert is_empty_nursery()


@pytest.mark.usefixtures("fresh")
def test_a_child_knows_no_secret(monkeypatch):
    monkeypatch.setenv("DATABASE_PASSWORD", "hush")
    nursery = Nursery()
    environment = Path(f"/proc/{nursery._process.pid}/environ").read_bytes()
    nursery.kill()
    assert b"hush" not in environment
    assert b"PATH=" in environment


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
