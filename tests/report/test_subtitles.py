from __future__ import annotations

from pipeline.report.subtitles import webvtt


def test_equal_neighbours_share_a_cue():
    text = webvtt([0.0, 0.5, 1.25], ["a dog", "a dog", "a <b>cat</b> & co"], 3723.5)
    assert text == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:01.250\na dog\n\n"
        "00:00:01.250 --> 01:02:03.500\na &lt;b&gt;cat&lt;/b&gt; &amp; co\n"
    )


def test_a_last_sentence_stands_a_while():
    assert webvtt([0.0], ["a dog"], 0.0).endswith("00:00:00.000 --> 00:00:01.000\na dog\n")
