"""Sentences with times as WebVTT (W3C), the subtitles that browsers show."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape


def webvtt(times: Sequence[float], sentences: Sequence[str], duration: float) -> str:
    """The sentence that stands from each time on (seconds, rising) -> a WebVTT file; equal neighbours share a cue."""
    cues, start = ["WEBVTT"], 0
    for now in range(1, len(times) + 1):
        if now == len(times) or sentences[now] != sentences[start]:
            end = max(duration, times[start] + 1.0) if now == len(times) else times[now]
            cues.append(f"{_clock(times[start])} --> {_clock(end)}\n{escape(sentences[start], quote=False)}")
            start = now
    return "\n\n".join(cues) + "\n"


def _clock(seconds: float) -> str:
    milliseconds = round(1000 * seconds)
    return f"{milliseconds // 3_600_000:02}:{milliseconds // 60_000 % 60:02}:{milliseconds / 1000 % 60:06.3f}"
