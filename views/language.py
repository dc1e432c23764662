"""Language: next letters and words, a word remembered over many sentences, and LeNet-5 on a digit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from pipeline.models.lenet import LeNetMaps
from pipeline.models.recurrent import CELLS
from pipeline.report import figure_data
from views.components.char_rnn import char_rnn
from views.components.digit_pad import digit_pad
from views.components.feature_map_strip import feature_map_strip
from views.components.text_steps import text_steps
from views.session.resources import CELL_NAMES, digit_reader, language_model
from views.session.visit import TOPICS, current_visit, write_address

GAP = "___"


def page() -> None:
    st.title("What comes next?")
    st.markdown(
        "The same equation, h = f(h, x), without any picture: x is the last letter or word, and the answer is how "
        "likely each next one is."
    )
    sections: dict[str, Callable[[], None]] = dict(
        zip(TOPICS, (hello_topic, letters_topic, words_topic, memory_topic, digits_topic), strict=True)
    )
    visit = current_visit()
    st.session_state["topic"] = visit.topic  # Streamlit forgets it on other pages
    st.segmented_control(
        "topic", TOPICS, key="topic", required=True, label_visibility="collapsed", on_change=choose_topic
    )
    sections[visit.topic]()


def choose_topic() -> None:
    current_visit().topic = st.session_state["topic"]
    write_address()


def hello_topic() -> None:
    st.markdown(
        "**Four letters, three hidden units.** The network reads h, e, l, l and should say e, l, l, o. After the "
        "first l it must say l, after the second o: the letter alone cannot tell them apart, only the hidden state can."
    )
    char_rnn()


def letters_topic() -> None:
    st.markdown(
        "**A word, letter by letter.** Begin one. Each column shows what the network expects after the letters so far; "
        "below stand the words that it would make of yours."
    )
    model = language_model("letters", "lstm")
    prefix = st.text_input("Begin a word", "netw", max_chars=14, key="prefix", persist_state="session")
    if len(model.tokens(prefix)) == 1:
        st.info("It reads the letters a to z; begin with one of them.", icon=":material/abc:")
        return
    text_steps(
        "letters", list(model.predict(prefix)), "How likely each next letter is, after every letter read so far."
    )
    st.markdown("  ".join(f"**{word}** {p:.2f}" for word, p in model.complete(prefix)))
    st.caption(" ".join(model.limits))


def words_topic() -> None:
    st.markdown(
        "**A sentence, word by word.** The network learned from descriptions of photos and clips. Write the beginning "
        "of one, or press a word to go on with it."
    )
    model = language_model("words", "lstm")
    st.session_state.setdefault("sentence", "the clouds are in the")
    text = st.text_input("Begin a sentence", max_chars=200, key="sentence", persist_state="session")
    row = st.container(horizontal=True)
    for word, p in model.next(text):
        row.button(f"{word} {p:.2f}", key=f"next-{word}", on_click=go_on, args=(word,))
    text_steps("words", list(model.predict(text)), "How likely each next word is, after every word read so far.")
    st.caption(" ".join(model.limits))


def go_on(word: str) -> None:
    st.session_state["sentence"] = f"{st.session_state['sentence'].rstrip()} {word}"


def memory_topic() -> None:
    st.markdown(
        "**Short and long dependence.** The language at the end follows from the country at the beginning. The more "
        "sentences stand between, the longer the cell must keep it. All three learned from the same text."
    )
    models = {cell: language_model("countries", cell) for cell in CELLS}
    middle = models["lstm"].card["middle"]
    between = st.slider("sentences between", 0, len(middle), 3, key="between", persist_state="session")
    told = " ".join([f"i grew up in {models['lstm'].card['country']}.", *(f"{s}." for s in middle[:between])])
    text = st.text_area("The text; change it as you like", f"{told} i speak fluent", key=f"story-{between}", height=110)
    for column, (cell, model) in zip(st.columns(len(models)), models.items(), strict=True):
        (word, p), *others = model.next(text)
        column.metric(CELL_NAMES[cell], word, f"{p:.2f}", delta_color="off", delta_arrow="off")
        column.caption(", ".join(f"{w} {q:.2f}" for w, q in others[:3]))
    st.markdown("**How often each cell is right, by distance** (measured on new text, 200 stories for each distance)")
    curves = {CELL_NAMES[cell]: model.card["accuracy_by_sentences_between"] for cell, model in models.items()}
    chart = {"sentences between": [int(between) for between in next(iter(curves.values()))]}
    chart |= {name: list(curve.values()) for name, curve in curves.items()}
    colours: list[Any] = [*figure_data.PALETTE[: len(curves)]]
    st.line_chart(chart, x="sentences between", y=list(curves), y_label="share right", color=colours, height=260)
    st.caption(
        f"One in ten is what guessing gives. They learned from stories with up to {len(middle)} sentences between, few "
        "at first. With gaps of all lengths from the start, and every word counting alike, none of the three learned "
        "it: what comes back over a hundred steps is too faint. " + " ".join(models["lstm"].limits)
    )


def digits_topic() -> None:
    st.markdown(
        "**One-to-one: the picture of a digit.** LeNet-5, the CNN that began it. Draw a digit, or have one written. "
        "Every plane of C1 and C3 is one small filter moved over the whole picture: weights shared in space, as a "
        "recurrent network shares them in time."
    )
    left, right = st.columns([2, 5], gap="large")
    with left:
        grey = digit_pad("sheet")
    with right:
        if grey is None:
            st.info("The sheet is empty.", icon=":material/draw:")
            return
        try:
            found = digit_reader().read(grey)
        except ValueError as error:
            st.info(str(error), icon=":material/draw:")
            return
        st.markdown(f"### {found.label} &nbsp; {found.probabilities[found.label]:.2f}")
        bars = {"digit": [str(k) for k in range(10)], "probability": found.probabilities.tolist()}
        st.bar_chart(bars, x="digit", y="probability", height=160)
        layers(found.maps)


def layers(found: LeNetMaps) -> None:
    """The feature maps of each layer for the digit."""
    feature_map_strip("C1: six filters of 5 x 5", found.c1[0].numpy())
    feature_map_strip("S2: their means over 2 x 2", found.s2[0].numpy())
    feature_map_strip("C3: sixteen filters over all six", found.c3[0].numpy())
    feature_map_strip("S4: their means", found.s4[0].numpy())
