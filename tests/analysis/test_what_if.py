from __future__ import annotations

import numpy as np
import pytest

from pipeline.analysis import what_if
from pipeline.models.encoder import FrameFeatures


@pytest.fixture
def features() -> list[FrameFeatures]:
    return [FrameFeatures(k, 0.2 * k, np.full(4, k, np.float32)) for k in range(6)]


def read(features: list[FrameFeatures], order: list[int]) -> list[int]:
    return [int(f.appearance[0]) for f in what_if.reorder(features, order)]


def test_orders(features):
    count = len(features)
    assert read(features, what_if.backwards(count)) == [5, 4, 3, 2, 1, 0]
    assert sorted(read(features, what_if.shuffled(count, 3))) == list(range(count))
    assert read(features, what_if.frozen(count)) == [0] * count
    assert read(features, what_if.drop_every_nth(count, 3)) == [0, 1, 3, 4]
    assert read(features, what_if.without_span(count, 1, 3)) == [0, 4, 5]
    with pytest.raises(ValueError, match="2 or more"):
        what_if.drop_every_nth(count, 1)


def test_a_place_keeps_its_time(features):
    moved = what_if.reorder(features, what_if.backwards(6))
    assert [f.time for f in moved] == [f.time for f in features]
    assert [f.index for f in what_if.reorder(features, what_if.without_span(6, 0, 1))] == [2, 3, 4, 5]


def test_difference_is_a_distance():
    a, b = np.array([0.5, 0.5, 0.0]), np.array([0.0, 0.5, 0.5])
    assert what_if.total_variation(a, a) == 0
    assert what_if.total_variation(a, b) == what_if.total_variation(b, a) == pytest.approx(0.5)
