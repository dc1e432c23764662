"""python -m pipeline caption PATH... [--cell lstm|gru|rnn] [--beam N] [--each] [--json] [--out FILE.jsonl] ..."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from functools import cache

from pipeline.analysis.confidence import caption_text
from pipeline.commands.arguments import add_engine, add_inputs, select_inputs
from pipeline.commands.local import Result, Runner, run_photo_batches
from pipeline.commands.printing import print_results
from pipeline.commands.run import run_inputs
from pipeline.media.clip import Clip
from pipeline.models.caption import BEAM, CaptionModel, captioner_for, frames_read, load_caption
from pipeline.models.encoder import Encoder, load_encoder
from pipeline.models.recurrent import CELLS

WIDEST = 50  # beam
PHOTOS = 16  # described together: the networks' weights are then read once for all of them


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("caption", help="describe each photo or clip in a sentence")
    add_inputs(parser, "a photo, a video, a folder of images, or a folder of all of these")
    add_engine(parser)
    parser.add_argument("--cell", choices=CELLS, default="lstm", help="the recurrent cell (default: %(default)s)")
    parser.add_argument(
        "--beam", type=width, default=BEAM, metavar="N", help="sentences kept while searching (default: %(default)s)"
    )
    parser.set_defaults(run=run)


def width(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= WIDEST:
        raise argparse.ArgumentTypeError(f"a beam holds 1 to {WIDEST} sentences")
    return int(text)


def run(args: argparse.Namespace) -> int:
    paths = select_inputs(args)
    found = run_inputs(paths, args.engine, load, cell=args.cell, beam=args.beam)
    columns = {"caption": False, "confidence": True, "or": False}
    return print_results(found, len(paths), args, columns, as_row)


def load(cell: str, beam: int) -> Runner:
    encoder = load_encoder(motion=False)  # captioners read what there is in a frame, not what moves

    @cache  # when it is first needed: a run of photos needs no clip captioner
    def captioner(kind: str) -> CaptionModel:
        return load_caption(kind, cell)

    return lambda streams: run_photo_batches(
        streams, PHOTOS, lambda clips: read(clips, encoder, captioner(captioner_for(clips[0].kind)), beam)
    )


def read(clips: Sequence[Clip], encoder: Encoder, model: CaptionModel, beam: int) -> Iterator[Result]:
    """Several photos, or one clip."""
    if captioner_for(clips[0].kind) == "photo":
        encoded = model.encode(encoder.encode_photos(clips))
    else:
        frames = clips[0].frames  # captioners do not read every frame
        images = [frames[k].image for k in frames_read([frame.time for frame in frames])]
        encoded = model.encode_array(encoder.encode(images).features[None])
    sentences = model.search(encoded, beam)
    captions = model.describe_words(encoded, [best for best, *_ in sentences])
    for caption, (_, *others) in zip(captions, sentences, strict=True):
        yield {
            "caption": caption.text,
            "score": round(caption.score, 4),
            "confidence": round(caption.confidence, 4),
            "sure": caption.is_confident,
            "words": [{"word": step.word, "probability": round(step.probability, 4)} for step in caption.steps[:-1]],
            "alternatives": [model.text(other) for other in others],
        }


def as_row(found: Result) -> tuple[str, ...]:
    return (
        caption_text(found["caption"], found["sure"]),
        f"{found['confidence']:.2f}",
        next(iter(found["alternatives"]), ""),
    )
