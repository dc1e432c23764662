"""python -m pipeline caption PATH... [--cell lstm|gru|rnn] [--beam N] [--each] [--json] [--out FILE.jsonl]"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from functools import cache, partial

from pipeline.caption import Caption, CaptionModel, Scene, load_caption
from pipeline.commands.printing import print_results
from pipeline.commands.reading import add_inputs, opened, read_photos_together, wanted
from pipeline.encoder import Encoder, load_encoder
from pipeline.media import Clip
from pipeline.recurrent import CELLS

BEAM, WIDEST = 3, 50
PHOTOS = 16  # described together: the networks' weights are then read once for all of them

Found = tuple[Caption, list[str]]  # the best caption, and the other sentences that the beam kept


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("caption", help="describe each photo or clip in a sentence")
    add_inputs(parser, "a photo, a video, a folder of images, or a folder of all of these")
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
    paths = wanted(args)
    streams = opened(paths)  # they are decoded while the networks are loaded
    encoder = load_encoder()
    captioner = cache(partial(load_caption, cell=args.cell))  # a run of photos needs no clip captioner
    results = read_photos_together(
        streams, PHOTOS, lambda clips: read(clips, encoder, captioner(captioner_for(clips[0])), args.beam)
    )
    columns = {"caption": False, "confidence": True, "or": False}
    return print_results(results, len(paths), args, as_json, columns, as_row)


def captioner_for(clip: Clip) -> str:
    return "photo" if clip.kind == "photo" else "clip"


def read(clips: Sequence[Clip], encoder: Encoder, model: CaptionModel, beam: int) -> Iterator[Found]:
    """Several photos, or one clip."""
    scene = look(clips, encoder, model)
    found = model.search(scene, beam)
    captions = model.explain(scene, [sentences[0] for sentences in found])
    for caption, (_, *others) in zip(captions, found, strict=True):
        yield caption, [model.text(other) for other in others]


def look(clips: Sequence[Clip], encoder: Encoder, model: CaptionModel) -> Scene:
    """What a captioner sees: the regions of photos, or the frames of one clip."""
    seen = encoder.encode([frame.image for clip in clips for frame in clip.frames])
    return model.look(seen.maps if captioner_for(clips[0]) == "photo" else seen.features[None])


def as_json(found: Found) -> dict[str, object]:
    caption, others = found
    return {
        "caption": caption.text,
        "score": round(caption.score, 4),
        "sure": caption.sure,
        "words": [{"word": step.word, "probability": round(step.probability, 4)} for step in caption.steps[:-1]],
        "alternatives": others,
    }


def as_row(found: Found) -> tuple[str, ...]:
    caption, others = found
    said = caption.text if caption.sure else f"a guess: {caption.text}"
    return said, f"{caption.confidence:.2f}", others[0] if others else ""
