"""Models: every checkpoint with its card, its measured figures, and what it does not know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from pipeline.models.caption import is_shipped
from pipeline.models.checkpoint import WEIGHTS, Card, load_card
from pipeline.models.recurrent import CELLS
from views.components.label_list import label_list
from views.session.resources import CELL_NAMES

CELL_SAYINGS = {
    "lstm": "Guards a memory of its own with three gates.",
    "gru": "Two gates and no separate memory: smaller.",
    "rnn": "The lecture's cell, h = tanh(W [h; x] + b): no gates at all.",
}
CAPTIONERS = {
    "photo": "Photos, looking again before every word",
    "plain": "Photos, seen only once",
    "clip": "Clips",
}
SURENESS = {
    "held_out_groups": "held-out groups",
    "unseen_clips": "clips of new sources",
    "unseen_photos": "photos of new sources",
}
Rows = list[dict[str, Any]]


def page() -> None:
    st.title("What the models know, and what they do not")
    st.markdown(
        "Every network of this app with the figures it was measured at, on pictures and texts that it never learned "
        "from, the command that made it, and its limits."
    )
    families: dict[str, Callable[[], None]] = {
        "Actions": actions,
        "Captions": captions,
        "Language and digits": language,
        "The CNNs": encoders,
    }
    for tab, show in zip(st.tabs(list(families)), families.values(), strict=True):
        with tab:
            show()
    st.caption(
        "The sets were published for research; their media belong to their authors. Nothing of them is in this app but "
        "what was learned from them."
    )


def card_of(name: str) -> Card:
    return load_card(WEIGHTS / name)


# ── Actions ──────────────────────────────────────────────────────────────────────────────────────────────────────


def actions() -> None:
    st.markdown(
        "Three recognisers read the same features of the same two CNNs; only the recurrent cell differs. All figures "
        "are on clips whose video, person or place was held out of training."
    )
    cards = {cell: card_of(f"action-{cell}") for cell in CELLS}
    for column, (cell, card) in zip(st.columns(len(cards), gap="medium"), cards.items(), strict=True):
        with column, st.container(border=True):
            summary(cell, card)
    card = cards["lstm"]
    table("Right answers by source", by_source(cards))
    table("How early is it right?", by_share(cards))
    trust(card)
    if "confusions" in card["held_out"]:
        table("The LSTM's commonest mistakes", confusions(card))
    st.subheader("The labels", anchor=False)
    label_list(card["groups"], card["finer"])
    limits(card)
    for cell, each in cards.items():
        whole_card(f"action-{cell}", each)


def summary(cell: str, card: Card) -> None:
    figures = card["held_out"]
    st.markdown(f"#### {CELL_NAMES[cell]}")
    st.caption(CELL_SAYINGS[cell])
    right, sure = st.columns(2)
    right.metric("right first", f"{figures['all']['top1']:.0%}")
    sure.metric("right when sure", f"{figures['held_out_groups']['right']:.0%}")
    st.caption(
        f"{card['parameters']:,} numbers · sure in {figures['held_out_groups']['share']:.0%} of the clips and photos · "
        f"calibration error {figures['held_out_groups']['expected_calibration_error']:.3f}"
    )


def by_source(cards: dict[str, Card]) -> Rows:
    """One row a source, with top-1 and top-5 of each cell."""
    sources = next(iter(cards.values()))["held_out"]["by_source"]
    rows = []
    for source, counts in sources.items():
        row: dict[str, object] = {"source": source, "clips": counts["clips"]}
        for cell, card in cards.items():
            figures = card["held_out"]["by_source"][source]
            row[CELL_NAMES[cell]] = f"{figures['top1']:.2f} (top five {figures['top5']:.2f})"
        rows.append(row)
    return rows


def by_share(cards: dict[str, Card]) -> Rows:
    """One row a cell, with its accuracy after a share of the frames."""
    return [
        {"cell": CELL_NAMES[cell], **{f"after {k} of the frames": f"{v:.2f}" for k, v in figures.items()}}
        for cell, card in cards.items()
        for figures in [card["held_out"]["accuracy_after_share_of_frames"]]
    ]


def trust(card: Card) -> None:
    """How far the LSTM can be trusted, on what is like its training data and on what is not."""
    found = {name: card["held_out"][key] for key, name in SURENESS.items()}
    rows = [
        {
            "items": name,
            "number": each["items"],
            "answers": f"{each['share']:.0%}",
            "right of these": f"{each['right']:.0%}",
            "nobody acts": each["nobody_acts"],
            "no action or not sure there": f"{each['quiet_where_nobody_acts']:.0%}" if each["nobody_acts"] else "",
            "calibration error": f"{each['expected_calibration_error']:.3f}",
        }
        for name, each in found.items()
    ]
    table("How far can it be trusted?", rows)
    curves = [
        {"share that is answered": coverage, "share of wrong answers": risk, "items": name}
        for name, each in found.items()
        for coverage, risk in each["risk_by_coverage"]
    ]
    st.line_chart(curves, x="share that is answered", y="share of wrong answers", color="items", height=260)
    st.caption(
        "LSTM. New sources are those that nothing was learned from; their photos show no action. The chart is risk by "
        "coverage: if only the surest answers are given, how many of them are wrong. The threshold of "
        f"“not sure” is {card['threshold']:.2f}."
    )


def confusions(card: Card) -> Rows:
    return [{"it was": truth, "it said": said, "clips": count} for truth, said, count in card["held_out"]["confusions"]]


# ── Captions ─────────────────────────────────────────────────────────────────────────────────────────────────────


def captions() -> None:
    st.markdown(
        "Each captioner writes a sentence about every validation photo (Flickr8k) or video (MSR-VTT), to none of which "
        "it was fitted, and it is compared with what five or twenty people wrote. BLEU-4 counts shared runs of four "
        "words; CIDEr weighs words by how much they tell; higher is better."
    )
    pairs = [(kind, cell) for kind in CAPTIONERS for cell in CELLS if is_shipped(kind, cell)]
    cards = {(kind, cell): card_of(f"caption-{kind}-{cell}") for kind, cell in pairs}
    table("Sentences by beam search", [caption_row(kind, cell, card) for (kind, cell), card in cards.items()])
    for kind in ("photo", "clip"):
        limits(cards[kind, "lstm"], CAPTIONERS[kind])
    for (kind, cell), card in cards.items():
        whole_card(f"caption-{kind}-{cell}", card)


def caption_row(kind: str, cell: str, card: Card) -> dict[str, Any]:
    val = card["val"]
    return {
        "captioner": CAPTIONERS[kind],
        "cell": CELL_NAMES[cell],
        "judged on": val["photos_or_clips"],
        "beam": val["beam"],
        "BLEU-4": f"{val['BLEU-4']:.3f}",
        "CIDEr": f"{val['CIDEr']:.3f}",
        "ROUGE-L": f"{val['ROUGE-L']:.3f}",
        "words": len(card["vocabulary"].split()),
        "numbers": f"{card['parameters']:,}",
    }


# ── Language, digits, the CNNs ───────────────────────────────────────────────────────────────────────────────────


def language() -> None:
    names = ["language-letters-lstm", "language-words-lstm", *(f"language-countries-{cell}" for cell in CELLS)]
    cards = {name: card_of(name) for name in [*names, "digits-lenet5"]}
    rows = [
        {
            "network": name,
            "learned from": "; ".join(card["data"]),
            "numbers": f"{card['parameters']:,}",
            "made by": card["command"],
        }
        for name, card in cards.items()
    ]
    table("Small networks, each trained in minutes", rows)
    digits = cards["digits-lenet5"]["test"]
    st.markdown(f"LeNet-5 was right in **{digits['accuracy']:.1%}** of {digits['digits']} digits that were left out.")
    st.subheader("What they do not know", anchor=False)
    st.markdown("\n".join(sorted({f"- {limit}" for card in cards.values() for limit in card["limits"]})))
    for name, card in cards.items():
        whole_card(name, card)


def encoders() -> None:
    card = card_of("encoder")
    st.markdown(
        f"What is there: {card['model']}, from {card['started_from']}. Every other network reads what it makes of a "
        "picture: 1,280 numbers, or 63 regions of as many. Below, how far a linear reading of the mean of a clip's "
        "features gets without any recurrence; *motion* reads difference images, which were used in its training only."
    )
    figures = card["held_out_mean_of_features_top1_top5"]
    table("By itself", [{"held-out groups of": name, "top-1 / top-5": value} for name, value in figures.items()])
    video = card_of("video-encoder")
    st.markdown(
        f"What moves: {video['model']}. It carries a state from frame to frame in every block, and has an opinion of "
        "its own after every frame. Below, how often that opinion alone is right."
    )
    rows = [{"held-out groups of": name, **figures} for name, figures in video["held_out"].items()]
    table("The opinion of the video encoder", rows)
    limits(video)
    whole_card("encoder", card)
    whole_card("video-encoder", video)


# ── All of them ──────────────────────────────────────────────────────────────────────────────────────────────────


def table(title: str, rows: Rows) -> None:
    st.subheader(title, anchor=False)
    st.dataframe(rows, hide_index=True, width="stretch")


def limits(card: Card, of: str = "") -> None:
    """What a family does not know, and where it comes from."""
    st.subheader(f"What they do not know{f': {of.lower()}' if of else ''}", anchor=False)
    st.markdown("\n".join(f"- {limit}" for limit in card["limits"]))
    st.markdown("It learned from " + "; ".join(card["data"]) + ".")


def whole_card(name: str, card: Card) -> None:
    with st.expander(f"The card of {name}"):
        st.json({key: value for key, value in card.items() if key != "vocabulary"})
