"""Cache what the untouched video encoder makes of every real clip, so that no training run decodes a picture.

    python -m training.video_features --more ../data-more --out ../cache/video               # whole picture, fitted
    python -m training.video_features --more ../data-more --out ../cache/video --view central --sources jhmdb doors

``--more`` is the folder that ../shared/data/more/build.py wrote; without it, only the clips of ../shared/data/actions
are read. Clips are read as the app reads them: at 5 frames a second, longer ones in bursts, at most 64 frames. For each
source and view, one file ``<view>/<source>.npz`` is written: ``features`` (N, 480) of each frame before pooling over
time, ``logits`` (N, 600) of the clip up to that frame, both float16, and ``times`` (N,) in seconds. ``<source>.json``
beside it lists the clips in order, with their label, group and number of frames. A source that is there already is left
as it is.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from pipeline.media import Clip, MediaError, read_clip
from pipeline.models.movinet import MoViNetA0Stream
from pipeline.models.video_encoder import VideoEncoder
from pipeline.sandbox.formats import VIDEO_SUFFIXES
from training.data import load_items
from training.import_movinet import import_published
from training.square_frames import View, square_frames

AT_ONCE = 16  # entries that are decoded while the network reads; a decoded clip takes up to 40 MB

E = TypeVar("E")  # what names the files: a clip, or an item with photos


@dataclass(frozen=True)
class VideoClip:
    """A clip with real motion; ``label`` is None where only captions are known, or nothing."""

    source: str
    group: str
    label: str | None
    path: str
    frames: int = 0


def real_clips(more: Path | None) -> list[VideoClip]:
    """The videos of the training data, without photos and without clips that are only a few frames."""
    clips = [VideoClip(i.source, i.group, i.label, str(i.paths[0])) for i in load_items() if i.is_video]
    if more is not None:
        for entry in json.loads((more / "items.json").read_text()):
            path = more / entry.get("path", "")
            if path.suffix.lower() in VIDEO_SUFFIXES:
                clips.append(VideoClip(entry["source"], str(entry["group"]), entry.get("label"), str(path)))
    return clips


def decoded(entries: Sequence[E], paths: Callable[[E], Sequence[str]]) -> Iterator[tuple[E, list[Clip]]]:
    """Each entry with the clips of its files, in order. One that cannot be read is named and left out."""

    def read(entry: E) -> list[Clip] | MediaError:
        try:
            return [read_clip(path) for path in paths(entry)]
        except MediaError as error:
            return error

    with ThreadPoolExecutor(2) as pool:
        for first in range(0, len(entries), AT_ONCE):
            some = entries[first : first + AT_ONCE]
            for entry, clips in zip(some, pool.map(read, some), strict=True):
                if isinstance(clips, MediaError):
                    print(f"left out: {clips}", flush=True)
                else:
                    yield entry, clips


def cache_source(network: MoViNetA0Stream, clips: Sequence[VideoClip], view: View, stem: Path) -> None:
    """Read the clips of one source and write ``stem.npz`` and ``stem.json``."""
    encoder = VideoEncoder(network, (), "torch")
    index: list[dict[str, object]] = []
    features: list[np.ndarray] = []
    logits: list[np.ndarray] = []
    times: list[np.ndarray] = []
    for clip, (media,) in decoded(clips, lambda clip: [clip.path]):
        times.append(np.array([frame.time for frame in media.frames], np.float32))
        motions, _ = encoder.read(list(square_frames(media, view)), [frame.time for frame in media.frames])
        features.append(np.stack([motion.features for motion in motions]).astype(np.float16))
        logits.append(np.stack([motion.logits for motion in motions]).astype(np.float16))
        index.append({**asdict(clip), "frames": len(media.frames)})
    stem.parent.mkdir(parents=True, exist_ok=True)
    joined = [np.concatenate(parts) for parts in (features, logits, times)]
    np.savez(stem.with_suffix(".npz"), features=joined[0], logits=joined[1], times=joined[2])
    stem.with_suffix(".json").write_text(json.dumps(index))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--more", type=Path, help="the folder that ../shared/data/more/build.py wrote")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--view", choices=["fitted", "central"], default="fitted")
    parser.add_argument("--sources", nargs="+", help="these sources only, in this order")
    arguments = parser.parse_args()
    by_source: dict[str, list[VideoClip]] = defaultdict(list)
    for clip in real_clips(arguments.more):
        by_source[clip.source].append(clip)
    network = import_published()
    for source in arguments.sources or by_source:
        stem = arguments.out / arguments.view / source
        if stem.with_suffix(".json").exists():
            continue
        start = time.perf_counter()
        cache_source(network, by_source[source], arguments.view, stem)
        print(f"{source}: {len(by_source[source])} clips in {time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
