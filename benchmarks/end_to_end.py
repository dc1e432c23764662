"""The whole path from a file to an action, compared with its limit: several clips in a row, and one clip alone.

The limit is the time of an ideal pipeline of two stages, decoding with resizing and the CNNs: the time of the slower
stage alone, but at least the processor time of both divided by the number of cores, because the stages share them. One
clip alone cannot reach the limit: the CNNs wait for the first frame, and the prediction for the last.
"""

from __future__ import annotations

import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.clips import write_clip
from benchmarks.results import Result, ratio, result, side_by_side
from pipeline.commands.action import read
from pipeline.commands.local import open_streams, run_each
from pipeline.media.clip import ClipStream
from pipeline.media.reader import MAX_STEPS, read_clip
from pipeline.models.action import load_action
from pipeline.models.encoder import load_encoder
from pipeline.sandbox.decode import decode

SECONDS = 20  # of the clip
CLIPS = 6  # in a row


def measure(rounds: int) -> Iterator[Result]:
    encoder, model = load_encoder(), load_action("lstm")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        write_clip(path, SECONDS)
        clip_here = read_clip(path)
        frames = clip_here.frames

        def decode_here() -> None:
            ClipStream(decode(path, MAX_STEPS, "clip")).clip()

        def encode() -> None:
            list(encoder.encode_frames(clip_here))

        def one_clip() -> None:
            list(run_each(open_streams([str(path)]), lambda stream: read(stream, encoder, model)))

        def clips_in_a_row() -> None:
            list(run_each(open_streams([str(path)] * CLIPS), lambda stream: read(stream, encoder, model)))

        ways = {
            "decoding": decode_here,
            "child": lambda: read_clip(path),
            "CNNs": encode,
            "one": one_clip,
            "many": clips_in_a_row,
        }
        seconds = side_by_side(ways, rounds)
        work = (processor_seconds(decode_here) + processor_seconds(encode)) / os.cpu_count()
    slower = max(seconds["decoding"], seconds["CNNs"], key=statistics.median)
    limit = max(statistics.median(slower), work)
    one, clip = seconds["one"], [s / CLIPS for s in seconds["many"]]
    in_turn = [a + b for a, b in zip(seconds["decoding"], seconds["CNNs"], strict=True)]
    rates = [len(frames) / s for s in clip]
    yield result("end_to_end_over_limit", rates, "frames/s", limit / statistics.median(clip), "an ideal pipeline")
    yield result("end_to_end_over_slower_stage", rates, "frames/s", ratio(slower, clip), "its slower stage alone")
    yield result("end_to_end_over_stages_in_turn", clip, "s", ratio(in_turn, clip), "decoding, and then the CNNs")
    yield result("one_clip_over_limit", one, "s", limit / statistics.median(one), "an ideal pipeline")
    child = seconds["child"]
    yield result("child_over_this_process", child, "s", ratio(child, seconds["decoding"]), "decoding here (<= 1.15)")


def processor_seconds(work: Callable[[], None]) -> float:
    """Processor time of all threads of this process during ``work``, in seconds."""
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return min(used, (time.perf_counter() - started) * os.cpu_count())
