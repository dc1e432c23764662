"""A card of a clip's reading, as a picture to send or to post: the answer, the frames and the curves."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont, ImageOps

from pipeline.analysis.confidence import NOBODY, NOT_SURE
from pipeline.analysis.reading import ClipReading
from pipeline.report import figure_data

SIZE = 1200, 630  # pixels: what pages and messengers show of a link
PAPER, INK, MUTED, LINE = "#FBFAF7", "#1F1D1A", "#5F5B54", "#DAD5CA"
MARGIN, FRAMES = 60, 6
STRIP_TOP, STRIP_HEIGHT = 230, 110
CHART_TOP, CHART_BOTTOM = 372, 560


def card(reading: ClipReading, pictures: Sequence[bytes], caption: str, cell: str) -> bytes:
    """A PNG of SIZE. ``pictures`` are JPEGs, one a frame; ``caption`` is the sentence, with "a guess" if it is one."""
    image = Image.new("RGB", SIZE, PAPER)
    draw = ImageDraw.Draw(image)
    answer = reading.prediction.answer
    headline = NOBODY if answer.is_no_action else answer.label if answer.is_sure else NOT_SURE
    write(draw, (MARGIN, 48), headline, 64, INK)
    detail = f"{answer.probability:.2f}" if answer.is_sure else f"{answer.probability:.2f} {answer.label}"
    write(
        draw,
        (MARGIN, 130),
        f"{detail}, after {len(reading.steps)} frames, read by a recurrent network ({cell})",
        26,
        MUTED,
    )
    write(draw, (MARGIN, 172), f"“{caption}”", 28, INK)
    draw_frames(image, pictures)
    draw_curves(draw, reading)
    write(draw, (MARGIN, SIZE[1] - 42), "Unroll: watch a recurrent network read a video, frame by frame", 20, MUTED)
    buffer = BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def write(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, size: int, colour: str) -> None:
    """A line of text, in smaller letters if it would not fit."""
    font = ImageFont.load_default(size)
    if (width := draw.textlength(text, font)) > SIZE[0] - 2 * MARGIN:
        font = ImageFont.load_default(int(size * (SIZE[0] - 2 * MARGIN) / width))
    draw.text(place, text, colour, font)


def draw_frames(image: Image.Image, pictures: Sequence[bytes]) -> None:
    """At most FRAMES pictures, spread over the clip."""
    count = min(FRAMES, len(pictures))
    width = (SIZE[0] - 2 * MARGIN) // FRAMES
    for k in range(count):
        jpeg = pictures[round(k * (len(pictures) - 1) / max(1, count - 1))]
        picture = ImageOps.fit(Image.open(BytesIO(jpeg)).convert("RGB"), (width - 6, STRIP_HEIGHT))
        image.paste(picture, (MARGIN + k * width, STRIP_TOP))


def draw_curves(draw: ImageDraw.ImageDraw, reading: ClipReading) -> None:
    """The probabilities of the charted labels after every frame, with their names to the right."""
    names = figure_data.chart_labels(reading)[:4]
    left, right, height = MARGIN, SIZE[0] - MARGIN - 320, CHART_BOTTOM - CHART_TOP
    for level in (0.0, 0.5, 1.0):
        y = CHART_BOTTOM - level * height
        draw.line((left, y, right, y), LINE, 1)
    column = (right - left) / len(reading.steps)
    for k, (name, values) in enumerate(zip(names, figure_data.curves(reading, names), strict=True)):
        colour = figure_data.PALETTE[k]
        points = [(left + (t + 0.5) * column, CHART_BOTTOM - p * height) for t, p in enumerate(values)]
        ends = [(left, points[0][1]), *points, (right, points[-1][1])]
        draw.line(ends, colour, 4, joint="curve")
        place = CHART_TOP + 46 * k
        draw.ellipse((right + 26, place + 6, right + 42, place + 22), colour)
        label = name if len(name) <= 24 else f"{name[:23]}…"
        draw.text((right + 54, place), f"{label} {values[-1]:.2f}", INK, ImageFont.load_default(22))
