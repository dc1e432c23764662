"""Models: every checkpoint with its card, its measured figures, and what it does not know."""

from __future__ import annotations

import streamlit as st

from pipeline.checkpoint import WEIGHTS, Card, load_card
from pipeline.recurrent import CELLS
from views.loaded import CELL_NAMES

CELL_SAYINGS = {
    "lstm": "Guards a memory of its own with three gates.",
    "gru": "Two gates and no separate memory: smaller.",
    "rnn": "The lecture's cell, h = tanh(W [h; x] + b): no gates at all.",
}


def page() -> None:
    st.title("What the models know, and what they do not")
    st.markdown(
        "Three recognisers read the same features of the same CNN; only the recurrent cell differs. All figures are on "
        "clips whose video, person or place was held out of training."
    )
    cards = {cell: load_card(WEIGHTS / f"action-{cell}") for cell in CELLS}
    for column, (cell, card) in zip(st.columns(len(cards), gap="medium"), cards.items(), strict=True):
        with column, st.container(border=True):
            summary(cell, card)
    st.subheader("Right answers by source", anchor=False)
    st.dataframe(by_source(cards), hide_index=True, width="stretch")
    st.subheader("How early is it right?", anchor=False)
    st.dataframe(by_share(cards), hide_index=True, width="stretch")
    card = cards["lstm"]
    st.subheader("What they do not know", anchor=False)
    st.markdown("\n".join(f"- {limit}" for limit in card["limits"]))
    st.subheader("The labels", anchor=False)
    st.markdown(" · ".join(card["labels"]))
    st.subheader("Where it comes from", anchor=False)
    st.markdown("\n".join(f"- {source}" for source in card["data"]))
    st.caption(
        "The sets were published for research; their media belong to their authors. Nothing of them is in this app but "
        "what was learned from them."
    )
    with st.expander("The CNN's card"):
        st.json(load_card(WEIGHTS / "encoder"))
    for cell, card in cards.items():
        with st.expander(f"The {CELL_NAMES[cell]}'s card"):
            st.json(card)


def summary(cell: str, card: Card) -> None:
    figures = card["held_out"]
    st.markdown(f"#### {CELL_NAMES[cell]}")
    st.caption(CELL_SAYINGS[cell])
    right, sure = st.columns(2)
    right.metric("right first", f"{figures['all']['top1']:.0%}")
    sure.metric("right when sure", f"{figures['sure']['right']:.0%}")
    st.caption(
        f"{card['parameters']:,} numbers · sure in {figures['sure']['share']:.0%} of the clips · "
        f"calibration error {figures['expected_calibration_error']:.3f}"
    )


def by_source(cards: dict[str, Card]) -> list[dict[str, object]]:
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


def by_share(cards: dict[str, Card]) -> list[dict[str, object]]:
    """One row a cell, with its accuracy after a share of the frames."""
    return [
        {"cell": CELL_NAMES[cell], **{f"after {k} of the frames": f"{v:.2f}" for k, v in figures.items()}}
        for cell, card in cards.items()
        for figures in [card["held_out"]["accuracy_after_share_of_frames"]]
    ]
