from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from pipeline.analysis.segments import WINDOW, shot_boundaries, sliding_window_predictions
from pipeline.media.reader import read_clip
from pipeline.media.samples import sample_path
from pipeline.models.encoder import FrameFeatures
from pipeline.report.figure_data import segments_data


@pytest.fixture(scope="module")
def takes(encoder, bikes, concert) -> tuple[list[FrameFeatures], int]:
    """Two takes, one after the other, as an edited clip would hold them; and where the second begins."""
    first, second = (list(encoder.encode_frames(read_clip(path, 12).frames)) for path in (bikes, concert))
    both = [FrameFeatures(k, float(k), f.appearance, f.motion) for k, f in enumerate([*first, *second])]
    return both, len(first)


def test_the_cut_between_two_takes_is_found(takes):
    features, border = takes
    assert border in shot_boundaries(features)
    assert 0 not in shot_boundaries(features)


def test_a_montage_is_cut_where_its_scenes_change(encoder, bikes):
    """Seen by eye: five scenes, which begin with the frames 0, 2, 4, 7 and 10."""
    assert set(shot_boundaries(list(encoder.encode_frames(read_clip(bikes).frames)))) >= {2, 4, 7, 10}


def test_a_camera_that_shakes_is_no_cut(encoder):
    assert shot_boundaries(list(encoder.encode_frames(read_clip(sample_path("carphone")).frames))) == []


def test_after_a_cut_nothing_is_remembered(takes, lstm):
    features, border = takes
    track = sliding_window_predictions(lstm, features, [border])
    alone = sliding_window_predictions(lstm, features[border:], [])
    np.testing.assert_allclose(track[border:], alone, atol=1e-6)


def test_a_moment_is_what_the_recogniser_says_of_its_window(takes, lstm):
    features, _ = takes
    now = WINDOW + 1
    *_, last = lstm.predict(features[now - WINDOW + 1 : now + 1])
    np.testing.assert_array_equal(sliding_window_predictions(lstm, features, [])[now], last.probabilities)


def test_pieces_cover_the_clip_and_tell_the_takes_apart(takes, lstm):
    features, border = takes
    found = segments_data(lstm, features, float(len(features)), [])["pieces"]
    assert found[0][0] == 0.0
    assert found[-1][1] == len(features)
    assert all(one[1] == other[0] for one, other in pairwise(found))
    assert any(start == border and cut for start, _, _, cut in found)
    assert found[-1][2]["label"] == "performing music"
