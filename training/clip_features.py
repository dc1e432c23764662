"""Cache what the two encoders make of every clip, photo and list of frames, near to what the app reads.

    python -m training.clip_features frames --more ../data-more --out ../cache/clips
    python -m training.clip_features motion --encoder ../cache/mixed --out ../cache/clips
    python -m training.clip_features appearance --pictures ../cache/pictures --out ../cache/clips

``frames`` reads the videos as the app does: ``frames.raw`` (M, 172, 172, 3) uint8 has the frames that the video encoder
reads, ``index.json`` lists the clips with source, group, label, times and rows. It takes 20 minutes. ``motion`` reads
those frames with a video encoder: ``motion.npy`` (M, 480) has the features of each frame before pooling over time.

``appearance`` adds all photos and lists of frames to the index, and writes ``appearance.npy`` (N, 1280): features of
the pictures that training.pictures cached. Of a video these are a few frames; each frame has the features of the last
of them that is not later. The app reads every second frame by the image encoder.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.models.checkpoint import load_checkpoint
from pipeline.models.movinet import FEATURE_SIZE, SIDE, MoViNetA0Stream
from pipeline.models.video_encoder import VideoEncoder, video_frame
from training.data import is_held_out
from training.picture_cache import PictureCache
from training.pictures import chosen_frames
from training.video_features import decoded, real_clips


@dataclass(frozen=True)
class Entry:
    """A file or a list of images. ``first`` and ``frames`` are its rows of appearance.npy; ``video_first`` is its first
    row of motion.npy, -1 for what does not move."""

    source: str
    group: str
    label: str | None
    paths: tuple[str, ...]
    held_out: bool
    removed: bool = False  # from training, as a near-duplicate
    times: tuple[float, ...] = ()  # seconds
    first: int = -1
    frames: int = 0
    video_first: int = -1


def videos(more: Path | None) -> list[Entry]:
    """All videos that have a label or come from the web."""
    chosen = [c for c in real_clips(more) if c.label or c.source.startswith("web")]
    return [Entry(c.source, c.group, c.label, (c.path,), is_held_out(c.source, c.group)) for c in chosen]


def cache_frames(chosen: Sequence[Entry], out: Path) -> None:
    index, count, started = [], 0, time.time()
    with (out / "frames.raw").open("wb") as file:
        for number, (entry, (clip,)) in enumerate(decoded(chosen, lambda entry: entry.paths)):
            for frame in clip.frames:
                file.write(video_frame(frame.image).tobytes())
            times = tuple(round(frame.time, 3) for frame in clip.frames)
            index.append({**asdict(entry), "times": times, "frames": len(times), "video_first": count})
            count += len(times)
            if number % 200 == 0:
                print(f"{number}/{len(chosen)} clips, {count} frames, {time.time() - started:.0f} s", flush=True)
    (out / "index.json").write_text(json.dumps(index))


def cache_motion(checkpoint: Path, folder: Path) -> None:
    tensors, card = load_checkpoint(checkpoint)
    network = MoViNetA0Stream(len(card["labels"]))
    network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    encoder = VideoEncoder(network, card["labels"])
    pictures = np.memmap(folder / "frames.raw", np.uint8, "r").reshape(-1, SIDE, SIDE, 3)
    motion = np.empty((len(pictures), FEATURE_SIZE), np.float16)
    for entry in json.loads((folder / "index.json").read_text()):
        if (first := entry["video_first"]) >= 0:
            rows = slice(first, first + entry["frames"])
            motion[rows] = [one.features for one in encoder.read(list(pictures[rows]), entry["times"])[0]]
    np.save(folder / "motion.npy", motion)


def cache_appearance(pictures: Path, folder: Path) -> None:
    cache = PictureCache(pictures)
    rows_of: dict[int, list[int]] = {}
    for row in np.flatnonzero(~cache.alike).tolist():
        rows_of.setdefault(int(cache.item[row]), []).append(row)
    by_path = {str(item.paths[0]): n for n, item in enumerate(cache.items)}
    index: list[dict[str, Any]] = []
    chosen: list[np.ndarray] = []
    known = [e for e in json.loads((folder / "index.json").read_text()) if e["video_first"] >= 0]
    for entry in known:
        own = rows_of.get(by_path.get(entry["paths"][0], -1), [])
        if own:
            place = np.searchsorted(chosen_frames(entry["frames"]), np.arange(entry["frames"]), "right") - 1
            chosen.append(np.array(own)[place.clip(0, len(own) - 1)])
            index.append(entry)
    for n, item in enumerate(cache.items):
        if item.label and not item.is_video and (own := rows_of.get(n, [])):
            chosen.append(np.array(own))
            entry = Entry(item.source, item.group, item.label, tuple(map(str, item.paths)), False, frames=len(own))
            index.append(asdict(entry))
    first = 0
    for entry, rows in zip(index, chosen, strict=True):
        held, removed = bool(cache.held_out[rows[0]]), entry["paths"][0] in cache.removed
        entry.update(first=first, held_out=held, removed=removed)
        first += len(rows)
    np.save(folder / "appearance.npy", cache.features[np.concatenate(chosen)])
    (folder / "index.json").write_text(json.dumps(index))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    frames = commands.add_parser("frames")
    frames.add_argument("--more", type=Path, help="the folder that ../shared/data/more/build.py wrote")
    motion = commands.add_parser("motion")
    motion.add_argument("--encoder", type=Path, required=True, help="a video encoder's checkpoint")
    appearance = commands.add_parser("appearance")
    appearance.add_argument("--pictures", type=Path, required=True, help="folder of training.pictures")
    for each in (frames, motion, appearance):
        each.add_argument("--out", type=Path, required=True, help="folder of the cache")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.command == "frames":
        cache_frames(videos(args.more), args.out)
    elif args.command == "motion":
        cache_motion(args.encoder, args.out)
    else:
        cache_appearance(args.pictures, args.out)


if __name__ == "__main__":
    main()
