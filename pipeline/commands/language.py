"""python -m pipeline complete PREFIX... [--json]    words that begin like this
python -m pipeline next TEXT... [--json]          what the next word may be
"""

from __future__ import annotations

import argparse

from pipeline.commands.local import Result
from pipeline.commands.printing import print_json, print_table
from pipeline.models.language import TOP, LanguageModel, load_language


def add_complete(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("complete", help="complete an English word, letter by letter")
    parser.add_argument("texts", nargs="+", metavar="PREFIX", help="how a word begins, in the letters a to z")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, with every letter")
    parser.set_defaults(run=run_complete)


def add_next(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("next", help="guess the next word of a description")
    parser.add_argument("texts", nargs="+", metavar="TEXT", help='how a sentence begins: "the clouds are in the"')
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=run_next)


def run_complete(args: argparse.Namespace) -> int:
    model = load_language("letters")
    results = ((text, completed(model, text)) for text in args.texts)
    if args.json:
        return print_json(results)
    return print_table(results, len(args.texts), {"completed": False}, as_row)


def run_next(args: argparse.Namespace) -> int:
    model = load_language("words")
    results = ((text, {"top": rounded(model.next(text))}) for text in args.texts)
    if args.json:
        return print_json(results)
    return print_table(results, len(args.texts), {"next": False}, as_row)


def completed(model: LanguageModel, text: str) -> Result:
    """Whole words, and what may follow each letter."""
    steps = list(model.predict(text))[1:]
    return {
        "top": rounded(model.complete(text)),
        "steps": [{"prefix": s.text, "next": rounded(list(s.next_tokens[:TOP]))} for s in steps],
    }


def rounded(ranked: list[tuple[str, float]]) -> list[list[object]]:
    return [[text, round(p, 4)] for text, p in ranked]


def as_row(found: Result) -> tuple[str, ...]:
    return (", ".join(f"{text} {p:.2f}" for text, p in found["top"]),)
