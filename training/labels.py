"""The action labels: the flat list, which labels are broader than others, and the page docs/labels.md.

    python -m training.labels --out docs/labels.md

A label is ours (labels.json) or one of Kinetics-600 that is none of ours. Where both have the same action, ours stands.
A *broad* label has *finer* ones, which say the same more precisely: "cooking" has "chopping vegetables". They come from
two files beside the training data: broader.json (ours) and kinetics.json (of Kinetics-600). The tables here correct
these files; they were made by looking at each of their entries. Some entries of kinetics.json are not finer but only
related ("taking photos" has "photobombing"); they stay as the file has them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from textwrap import wrap

from pipeline.models.checkpoint import WEIGHTS, Card, load_card
from training.data import DATA
from training.label_groups import label_groups

KINETICS_NAMES = DATA.parent / "weights" / "kinetics600_label_map.txt"
LEFT_OUT = frozenset({"no action"})  # our labels that are not in the flat list

# Labels of Kinetics-600 with another name that mean the same as one of ours. Labels with one name are the same.
SAME = {
    "archery": "shooting an arrow",
    "bouncing on trampoline": "jumping on a trampoline",
    "curling (sport)": "curling",
    "driving car": "driving a car",
    "fencing (sport)": "fencing",
    "fixing bicycle": "fixing a bicycle",
    "hammer throw": "throwing the hammer",
    "hurdling": "running hurdles",
    "javelin throw": "throwing the javelin",
    "jumping jacks": "doing jumping jacks",
    "lunge": "doing lunges",
    "making bubbles": "blowing bubbles",
    "motorcycling": "riding a motorcycle",
    "opening door": "opening a door",
    "playing ping pong": "playing table tennis",
    "pull ups": "doing pull-ups",
    "push up": "doing push-ups",
    "pushing cart": "pushing a cart",
    "riding a bike": "riding a bicycle",
    "shot put": "throwing the shot",
    "sled dog racing": "dog sledding",
    "snowmobiling": "riding a snowmobile",
    "squat": "doing squats",
    "surfing water": "surfing",
    "talking on cell phone": "phoning",
    "throwing axe": "axe throwing",
    "trapezing": "trapeze",
    "using a microscope": "looking through a microscope",
    "walking the dog": "walking a dog",
    "watching tv": "watching TV",
    "waving hand": "waving",
}

# Entries of kinetics.json whose label of Kinetics-600 is the broader one of the two: broad label -> finer labels.
REVERSED = {
    "driving car": ["racing cars"],
    "ice skating": ["figure skating", "speed skating"],
    "motorcycling": ["racing motorcycles"],
    "wrestling": ["judo", "sumo wrestling"],
    "writing": ["writing in a book", "writing on a board"],
}

# Labels whose only training clips are ordinary scenes at home, so that any ordinary scene resembles them: their logits
# are lowered by so much after training (logit adjustment, Menon et al. 2021). The choice between them stays as it is.
LOWERED = {"opening a door": 2.0, "closing a door": 2.0}

MISSING = {"working out": ["doing handstand push-ups"]}  # what broader.json lacks

BROAD = (
    "A broad label covers finer ones, which say the same more precisely. Where no label is likely enough by itself, "
    "but a broad label and its finer ones together are, the answer is the broad label, with the sum as its probability."
)


@cache
def kinetics_names() -> tuple[str, ...]:
    """The labels of Kinetics-600, in the order of its classes."""
    return tuple(KINETICS_NAMES.read_text().splitlines())


def our_name(kinetics_name: str) -> str:
    """The flat label of a label of Kinetics-600: ours if it means the same, else its own name."""
    return SAME.get(kinetics_name, kinetics_name)


@cache
def flat_labels() -> list[str]:
    """Every label once, in alphabetical order: ours, and those of Kinetics-600 that are none of ours."""
    ours = set(_table("labels.json")) - LEFT_OUT
    return sorted(ours | {our_name(name) for name in kinetics_names()}, key=str.casefold)


@cache
def image_labels() -> list[str]:
    """The labels that pictures teach: ours, in alphabetical order."""
    return sorted(set(_table("labels.json")) - LEFT_OUT)


def lowered_logits() -> list[float]:
    """How much the logit of each label of flat_labels() is lowered after training, (L,)."""
    return [LOWERED.get(label, 0.0) for label in flat_labels()]


def kinetics_columns() -> list[int]:
    """The index in flat_labels() of each class of Kinetics-600, (600,)."""
    column = {label: k for k, label in enumerate(flat_labels())}
    return [column[our_name(name)] for name in kinetics_names()]


def finer_labels() -> dict[str, list[str]]:
    """Every broad label of flat_labels() -> all its finer ones."""
    return finer_among(flat_labels())


def finer_among(labels: Sequence[str]) -> dict[str, list[str]]:
    """The broad ones of these labels -> all their finer ones of these labels, in the order of ``labels``.

    A label between two others need not be among ``labels``: the relation is closed before it is restricted.
    """
    every = _all_finer()
    found = {broad: [label for label in labels if label in every.get(broad, ())] for broad in labels}
    return {broad: finer for broad, finer in found.items() if finer}


def targets(label: str) -> frozenset[str]:
    """The flat labels that are right for an example with this label: the label itself and all its finer ones.

    A label outside the flat list that is a broad one in the files has its finer ones alone.
    """
    return frozenset({label, *_all_finer().get(label, ())}) & frozenset(flat_labels())


def display_groups() -> dict[str, list[str]]:
    """The labels of flat_labels() by group; each label is in one group."""
    return label_groups(flat_labels())


def card_fields(labels: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """The fields of a recogniser's card that follow from its labels."""
    return {"finer": finer_among(labels), "groups": label_groups(labels)}


@cache
def _all_finer() -> dict[str, frozenset[str]]:
    """Every broad label of the files -> all its finer ones, also over several steps. Raises ValueError for a circle."""
    direct = _direct_finer()
    closed: dict[str, frozenset[str]] = {}

    def close(label: str, above: tuple[str, ...]) -> frozenset[str]:
        if label in above:
            raise ValueError(f"A label is finer than itself: {' > '.join([*above, label])}.")
        if label not in closed:
            closed[label] = frozenset().union(*({f} | close(f, (*above, label)) for f in direct.get(label, ())))
        return closed[label]

    return {broad: close(broad, ()) for broad in direct}


def _direct_finer() -> dict[str, set[str]]:
    """The entries of both files, of REVERSED and of MISSING, under the names of the flat list."""
    direct: dict[str, set[str]] = {}
    reversed_pairs = {(finer, broad) for broad, names in REVERSED.items() for finer in names}
    for table in (_table("broader.json"), _table("kinetics.json"), REVERSED, MISSING):
        for broad, names in table.items():
            finer = {our_name(name) for name in names if (broad, name) not in reversed_pairs} - {our_name(broad)}
            direct.setdefault(our_name(broad), set()).update(finer)
    return direct


def _table(name: str) -> dict[str, list[str]]:
    """A file beside the training data; labels.json is a list, the others are tables."""
    return json.loads((DATA / "more" / name).read_text())


# ── The page ─────────────────────────────────────────────────────────────────────────────────────────────────────


def page(card: Card) -> str:
    """The labels of a recogniser's card as docs/labels.md."""
    labels, finer, groups = card["labels"], card["finer"], card["groups"]
    lines = [
        "# The labels",
        "",
        f"The recognisers know {len(labels)} actions. This page lists them by group; it is made from the cards in",
        "`weights/` by `python -m training.labels --out docs/labels.md`.",
    ]
    for group, names in groups.items():
        lines += ["", f"## {group} ({len(names)})", "", *wrap(" · ".join(names), 118, break_on_hyphens=False)]
    lines += [
        "",
        "## Broad labels",
        "",
        *wrap(BROAD, 118),
        "",
        "| broad label | its finer labels |",
        "|---|---|",
        *[f"| {broad} | {', '.join(names)} |" for broad, names in finer.items()],
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--out", type=Path, required=True, help="the page that is written")
    args = parser.parse_args()
    args.out.write_text(page(load_card(args.weights / "action-lstm")))


if __name__ == "__main__":
    main()
