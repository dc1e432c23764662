"""The shipped weights are held to the promise of every sample. The promises are in pipeline/media/samples.py."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipeline.analysis import what_if
from pipeline.analysis.reading import ClipReading, answer_rule, read_features
from pipeline.analysis.segments import STEPS, passage_predictions, segments, shot_boundaries
from pipeline.media.reader import browser_copy, open_clip, read_clip
from pipeline.media.samples import SAMPLES, Promise, Sample, sample_data, thumbnail
from pipeline.models.action import ActionModel
from pipeline.models.caption import captioner_for, load_caption
from pipeline.models.encoder import Encoder, FrameFeatures


class Read:
    """A sample as the app reads it."""

    def __init__(self, name: str, folder, encoder: Encoder, model: ActionModel) -> None:
        self.path = folder / "sample"
        self.path.write_bytes(sample_data(name))
        self.clip = read_clip(self.path)
        self.encoder, self.model = encoder, model
        self.features: tuple[FrameFeatures, ...] = encoder.encode_clip(self.clip)
        self.reading: ClipReading = read_features(model, self.features, self.clip.duration)

    def is_expected(self, label: str, expected: tuple[str, ...]) -> bool:
        return any(label == name or label in self.model.finer.get(name, ()) for name in expected)


def right_at_once(read: Read, sample: Sample) -> None:
    for answer in (read.reading.answers[0], read.reading.answers[-1]):
        assert answer.is_sure, answer
        assert read.is_expected(answer.label, sample.expected), answer


def changes(read: Read, sample: Sample) -> None:
    leading = read.reading.leading
    before, after = sample.expected
    assert not before or read.is_expected(leading[0], (before,)), leading
    assert read.is_expected(leading[-1], (after,)), leading
    assert not read.is_expected(leading[0], (after,)), leading


def order(read: Read, sample: Sample) -> None:
    count = len(read.features)
    back = what_if.reorder(read.encoder, read.features, what_if.backwards(count))
    other = read_features(read.model, back, read.clip.duration)
    assert other.prediction.label != read.reading.prediction.label
    assert what_if.total_variation(other.probabilities[-1], read.reading.probabilities[-1]) > what_if.ORDER_MATTERS


def memory(read: Read, sample: Sample) -> None:
    alone = answer_rule(read.model).answers(read.model.per_frame_probabilities(read.features))
    wrong_alone = sum(not read.is_expected(answer.label, sample.expected) for answer in alone)
    wrong = sum(not read.is_expected(label, sample.expected) for label in read.reading.leading)
    assert read.reading.prediction.is_confident
    assert read.is_expected(read.reading.prediction.label, sample.expected)
    assert wrong_alone > wrong, (wrong_alone, wrong)


def not_sure(read: Read, sample: Sample) -> None:
    answer = read.reading.answers[-1]
    assert not answer.is_sure or answer.is_no_action, answer


def in_segments(read: Read, sample: Sample) -> None:
    features = read.encoder.encode_clip(open_clip(read.path, STEPS))
    cuts = shot_boundaries(features)
    rows = passage_predictions(read.model, read.encoder.video, features, cuts)
    times = [frame.time for frame in features]
    found = segments(answer_rule(read.model), rows, times, read.clip.duration, cuts)
    assert len(found) >= 3
    assert any(each.answer.is_sure and read.is_expected(each.answer.label, sample.expected) for each in found)


def caption(read: Read, sample: Sample) -> None:
    words = load_caption(captioner_for(read.clip.kind)).describe(read.features).text.split()
    assert set(words) & set(sample.expected), words


def no_action(read: Read, sample: Sample) -> None:
    assert read.reading.answers[-1].is_no_action


KEPT: dict[Promise, Callable[[Read, Sample], None]] = {
    Promise.RIGHT_AT_ONCE: right_at_once,
    Promise.CHANGES: changes,
    Promise.ORDER: order,
    Promise.MEMORY: memory,
    Promise.NOT_SURE: not_sure,
    Promise.SEGMENTS: in_segments,
    Promise.CAPTION: caption,
    Promise.NO_ACTION: no_action,
}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_keeps_its_promise(name, encoder, lstm, tmp_path):
    sample = SAMPLES[name]
    read = Read(name, tmp_path, encoder, lstm)
    assert (read.clip.kind == "photo") == sample.is_photo
    assert sample.is_photo or read.clip.mime or browser_copy(read.path)
    KEPT[sample.promise](read, sample)


def test_there_are_eight_and_every_promise_is_made_once():
    assert len(SAMPLES) == 8
    assert {sample.promise for sample in SAMPLES.values()} == set(Promise)
    assert next(iter(SAMPLES.values())).promise is Promise.RIGHT_AT_ONCE  # the first that opens
    assert all(thumbnail(name)[:2] == b"\xff\xd8" for name in SAMPLES)
