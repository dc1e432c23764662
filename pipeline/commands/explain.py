"""python -m pipeline explain CLIP --out FILE.html [--cell lstm|gru|rnn]

A page of its own, needing no server: a clip's whole frame-by-frame reading, to be mailed or put into a lesson.
"""

from __future__ import annotations

import argparse
import html
import json
import sys
from pathlib import Path
from string import Template

from pipeline import account
from pipeline.action import load_action
from pipeline.caption import load_caption
from pipeline.commands.caption import BEAM, captioner_for, look
from pipeline.encoder import in_order, load_encoder
from pipeline.media import MediaError, open_clip
from pipeline.recurrent import CELLS
from pipeline.untrimmed import LONG, STEPS

PAGE = Path(__file__).with_suffix(".html")
PICTURE = Path(__file__).parents[2] / "views"  # the app's own interactive picture: one drawing for both audiences
ABOUT = (
    "Read by Unroll: a CNN looks at each frame, a recurrent network ({cell}) remembers. It knows {labels} labels and "
    "nothing else; below {threshold:.2f} it says “not sure”."
)


def add(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser("explain", help="write a clip's frame-by-frame reading as a page that needs no server")
    parser.add_argument("path", metavar="CLIP", help="a video, a photo, or a folder of images")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.html")
    parser.add_argument("--cell", choices=CELLS, default="lstm", help="the recurrent cell (default: %(default)s)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    try:
        text = page(Path(args.path), args.cell)
        args.out.write_text(text, encoding="utf-8")
    except MediaError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{args.out} could not be written: {error.strerror}.", file=sys.stderr)
        return 1
    return 0


def page(path: Path, cell: str) -> str:
    """The whole page as HTML."""
    stream = open_clip(path)  # it is decoded while the networks are loaded
    encoder, model = load_encoder(), load_action(cell)
    features = in_order(encoder.encode_frames(stream), stream)
    clip = stream.clip()
    steps = list(model.read(features))
    verdict = model.verdict(steps)
    pictures = [account.data_uri(frame.jpeg) for frame in clip.frames]
    captioner = load_caption(captioner_for(clip), cell)
    captions = captioner.evolve(look([clip], encoder, captioner), BEAM)
    parts = {
        "stage": {"pictures": pictures},
        "verdict": {**account.verdict(model, steps, verdict), "said": [[c.text, c.sure] for c in captions]},
        "letters": account.letters(model, steps),
    }
    if len(steps) > 1:
        parts["timeline"] = {
            "pictures": pictures,
            **account.timeline(model, features, steps, verdict, clip.duration),
        }
    if clip.kind == "video" and clip.duration >= LONG:
        stream = open_clip(path, STEPS)
        closer = in_order(encoder.encode_frames(stream), stream)
        names = account.coloured_labels(model, steps)
        parts["pieces"] = account.pieces(model, closer, clip.duration, names)
    shared = account.on_axis(clip.kind, "clip", [frame.time for frame in features], clip.duration)
    about = ABOUT.format(cell=cell.upper(), labels=len(model.labels), threshold=model.threshold)
    return filled(path.name, about, {"shared": shared, "parts": parts})


def filled(title: str, about: str, data: account.Data) -> str:
    style, script = (
        (PICTURE / f"component.{kind}").read_text() + (PICTURE / "reading" / f"reading.{kind}").read_text()
        for kind in ("css", "js")
    )
    return Template(PAGE.read_text()).substitute(
        title=html.escape(title),
        about=html.escape(about),
        style=style,
        script=script.replace("export default function (component)", "function mount(component)"),
        account=json.dumps(data).replace("<", "\\u003c"),  # nothing in it can end the script element
    )
