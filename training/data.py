"""The training data as one list of items, and the split into training and held-out groups.

A *group* is a source video, a person or a place (../shared/data/README.md). All items of a group are on the same side
of the split. A hash of the group's name decides the side, so the split is the same in every run.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline.sandbox.formats import VIDEO_SUFFIXES

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
HELD_OUT_SHARE = 0.15  # of the groups of every source that has several
HELD_OUT_UCF = frozenset({"g10", "g15", "g20"})  # group numbers of UCF101, of g08 to g25; the same for every class
HELD_OUT_SOURCES = frozenset(  # whole sources, so that some figures are of sources never learned from
    f"web-{name}"
    for name in ("usc576", "llm-demos", "web-sites", "har20", "action-demos", "v2a-mapper", "video-editing", "hmdb51")
) | {"none-houses", "none-intel_glacier", "none-ikea_rooms", "none-cars_rear", "none-wallpaper_graphics"}
MORE_SOURCES = frozenset(  # of ../shared/data/more. Its test groups were chosen by the first byte of the same hash
    {"stanford40", "har", "sports100", "jhmdb", "doors", "ade", "coco", "youcook2", "tvnews"}
)
SINGLE_GROUP_SOURCES = frozenset({"football"})  # used for training only: a single group cannot be split
CAPTION_SOURCE = {"photo": "flickr8k", "plain": "flickr8k", "clip": "msrvtt"}  # training data of each kind of captioner
COMMON_WORDS = 600  # targets of the encoder's second task
STOP_WORDS = frozenset(
    "a an the of in on at to and is are with for from by it its his her their there this that as into up down out "
    "who which while has have be being some two one he she they them him i s or off over near next through".split()
)


@dataclass(frozen=True)
class Item:
    """One clip, photo or list of frames. ``label`` is None for items that have captions only."""

    source: str
    group: str
    label: str | None
    paths: tuple[Path, ...]  # one video or photo, or several images in time order
    captions: tuple[str, ...] = field(default=(), repr=False)
    held_out: bool = False
    is_validation: bool = False  # of the official validation split; captioners train on the other held-out videos

    @property
    def is_video(self) -> bool:
        return self.paths[0].suffix.lower() in VIDEO_SUFFIXES


def is_held_out(source: str, group: str) -> bool:
    """Whether a group is held out: decided by its number for UCF101, by a hash of its name for most other sources."""
    if source in SINGLE_GROUP_SOURCES:
        return False
    if source in HELD_OUT_SOURCES:
        return True
    if source.startswith("ucf101"):
        return group.rsplit("-", 1)[-1] in HELD_OUT_UCF
    digest = hashlib.sha256(f"{source}/{group}".encode()).digest()
    byte = digest[1] if source in MORE_SOURCES else digest[0]
    return byte / 256 < HELD_OUT_SHARE


def load_labels(root: Path = DATA) -> list[str]:
    return json.loads((root / "actions" / "labels.json").read_text())


def load_items(root: Path = DATA) -> list[Item]:
    """All action items, then the MSR-VTT videos and Flickr8k photos that have captions only.

    Held out are the official validation videos of MSR-VTT and photos of Flickr8k, and a share of the other groups.
    """
    videos = {
        v["video"]: (v, split) for split in ("train", "val") for v in json.loads(_text(root, f"msrvtt/{split}.json"))
    }
    items, labelled = [], set()
    for split in ("train", "val"):
        for entry in json.loads(_text(root, f"actions/{split}.json")):
            source, group = entry["source"], entry["group"]
            names = [entry["clip"]] if "clip" in entry else entry["frames"]
            paths = tuple((root / "actions" / name).resolve() for name in names)
            captions = tuple(videos[group][0]["captions"]) if source == "msrvtt" else ()
            held = split == "val" or is_held_out(source, group)
            items.append(Item(source, group, entry["label"], paths, captions, held, split == "val"))
            labelled.add(group)
    for name, (video, split) in videos.items():
        if name not in labelled:
            paths = tuple(root / "msrvtt" / frame for frame in video["frames"])
            val = split == "val"
            held = val or is_held_out("msrvtt", name)
            items.append(Item("msrvtt", name, None, paths, tuple(video["captions"]), held, val))
    for split in ("train", "val"):
        for photo in json.loads(_text(root, f"flickr8k/{split}.json")):
            path = root / "flickr8k" / "images" / Path(photo["image"]).name
            val = split == "val"
            items.append(Item("flickr8k", path.stem, None, (path,), tuple(photo["captions"]), val, val))
    return items


def load_more(more: Path) -> list[Item]:
    """The photos and clips of the folder that ../shared/data/more/build.py wrote, in the order of its items.json."""
    items = []
    for entry in json.loads((more / "items.json").read_text()):
        if "path" in entry:
            source, group = entry["source"], str(entry["group"])
            captions, held = tuple(entry.get("captions", ())), is_held_out(source, group)
            items.append(Item(source, group, entry.get("label"), (more / entry["path"],), captions, held))
    return items


def common_words(items: list[Item], count: int = COMMON_WORDS) -> list[str]:
    """The ``count`` words with the largest sum of caption shares over training items, without stop words."""
    totals: Counter[str] = Counter()
    for item in items:
        if not item.held_out:
            totals.update(caption_words(item))  # adds the shares
    return [word for word, _ in totals.most_common(count)]


def caption_words(item: Item) -> dict[str, float]:
    """Each word of an item's captions -> the share of its captions that use it."""
    counts = Counter(w for c in item.captions for w in set(re.findall(r"[a-z]+", c.lower())) - STOP_WORDS)
    return {word: n / len(item.captions) for word, n in counts.items()}


def word_shares(items: list[Item], words: list[str]) -> np.ndarray:
    """(items, words) float32: how much each word describes the item; 1 if two captions in five use it, 0 if none."""
    column = {word: k for k, word in enumerate(words)}
    shares = np.zeros((len(items), len(words)), np.float32)
    for n, item in enumerate(items):
        for word, share in caption_words(item).items():
            if word in column:
                shares[n, column[word]] = min(1.0, 2.5 * share)
    return shares


def _text(root: Path, name: str) -> str:
    return (root / name).read_text()
