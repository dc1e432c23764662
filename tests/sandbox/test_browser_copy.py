"""Whatever was let in can be watched: a copy in H.264, on the clock of the clip."""

from __future__ import annotations

import av
import numpy as np
import pytest

from pipeline.media.reader import browser_copy, read_clip
from pipeline.sandbox.messages import MediaError
from tests.sample_media import ISCC

UNPLAYABLE = sorted(
    path
    for path in (ISCC / "video").iterdir()
    if path.suffix in {".avi", ".wmv", ".mpg", ".flv", ".3gp", ".vob", ".gif"}
)


@pytest.mark.parametrize("path", UNPLAYABLE, ids=lambda path: path.suffix)
def test_a_copy_shows_the_same_at_the_same_time_and_browsers_play_it(path, tmp_path):
    clip = read_clip(path)
    assert clip.mime is None
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(browser_copy(path))
    again = read_clip(copy)
    assert again.mime == "video/mp4"
    assert again.duration == pytest.approx(clip.duration, abs=0.15)
    assert [f.time for f in again.frames] == pytest.approx([f.time for f in clip.frames], abs=0.1)
    difference = [np.abs(a.image.astype(int) - b.image).mean() for a, b in zip(clip.frames, again.frames, strict=True)]
    assert np.median(difference) < 8
    with av.open(str(copy)) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")


def test_pictures_of_odd_sides_and_changing_rate(make_clip, tmp_path):
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(browser_copy(make_clip([np.full((51, 77, 3), 90, np.uint8)] * 30, rate=120)))
    clip = read_clip(copy)
    assert (clip.width, clip.height) == (76, 50)
    assert clip.duration == pytest.approx(29 / 120, abs=0.05)


def test_what_is_no_video_is_a_sentence(tmp_path):
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile 'secret.mp4'\n")
    with pytest.raises(MediaError, match="could not be read"):
        browser_copy(tmp_path / "list.mp4")
