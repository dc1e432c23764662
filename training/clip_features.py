"""Cache what the two encoders make of every clip, photo and list of frames, read as the app reads them.

    python -m training.clip_features --more ../data-more --out ../cache/clips
    python -m training.clip_features --out ../cache/clips --motion ../cache/mixed

The first command reads the files: ``appearance.npy`` (N, 1280) has the features of the image encoder for every frame,
``frames.raw`` (M, 172, 172, 3) uint8 the frames that the video encoder reads, of videos only, and ``index.json`` lists
the items with source, group, label and rows. It takes half an hour. The second command reads those frames with a video
encoder: ``motion.npy`` (M, 480) has the features of each frame before pooling over time.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from pipeline.models.backbones import BACKBONES, DEFAULT_BACKBONE
from pipeline.models.checkpoint import load_checkpoint
from pipeline.models.encoder import Encoder, own_appearance
from pipeline.models.movinet import FEATURE_SIZE, SIDE, MoViNetA0Stream
from pipeline.models.video_encoder import VideoEncoder, video_frame
from training.data import is_held_out, load_items
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
    times: tuple[float, ...] = ()  # seconds
    first: int = -1
    frames: int = 0
    video_first: int = -1


def entries(more: Path | None) -> list[Entry]:
    """All videos that have a label or come from the web, then the labelled photos and lists of frames."""
    videos = [c for c in real_clips(more) if c.label or c.source.startswith("web")]
    found = [Entry(c.source, c.group, c.label, (c.path,), is_held_out(c.source, c.group)) for c in videos]
    stills = [item for item in load_items() if item.label and not item.is_video]
    return found + [Entry(i.source, i.group, i.label, tuple(map(str, i.paths)), i.held_out) for i in stills]


def cache_appearance(chosen: Sequence[Entry], out: Path) -> None:
    encoder = Encoder(BACKBONES[DEFAULT_BACKBONE]())
    index, rows, count, video_count, started = [], [], 0, 0, time.time()
    with (out / "frames.raw").open("wb") as file:
        for number, (entry, clips) in enumerate(decoded(chosen, lambda entry: entry.paths)):
            frames = [frame for clip in clips for frame in clip.frames]
            appearance = encoder.encode([frame.image for frame in frames]).features.astype(np.float16)
            moves = clips[0].kind == "video"
            rows.append(as_read(appearance, [frame.time for frame in frames]) if moves else appearance)
            if moves:
                for frame in frames:
                    file.write(video_frame(frame.image).tobytes())
            times = tuple(round(frame.time, 3) for frame in frames)
            where = {"first": count, "frames": len(frames), "video_first": video_count if moves else -1}
            index.append({**asdict(entry), "times": times, **where})
            count, video_count = count + len(frames), video_count + len(frames) * moves
            if number % 200 == 0:
                print(f"{number}/{len(chosen)} items, {count} frames, {time.time() - started:.0f} s", flush=True)
    np.save(out / "appearance.npy", np.concatenate(rows))
    (out / "index.json").write_text(json.dumps(index))


def as_read(appearance: np.ndarray, times: Sequence[float]) -> np.ndarray:
    """The features of all frames of a video, (T, D) -> those that the app has: a frame that the image encoder does not
    read has those of the frame before it."""
    own = own_appearance(times, None)
    return appearance[np.maximum.accumulate(np.where(own, np.arange(len(own)), 0))]


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--more", type=Path, help="the folder that ../shared/data/more/build.py wrote")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--motion", type=Path, help="a video encoder's checkpoint, to read the cached frames with")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.motion:
        cache_motion(args.motion, args.out)
    else:
        cache_appearance(entries(args.more), args.out)


if __name__ == "__main__":
    main()
