from __future__ import annotations

import numpy as np
import pytest

from pipeline import whatif
from pipeline.encoder import FrameFeatures


@pytest.fixture
def features() -> list[FrameFeatures]:
    return [FrameFeatures(k, 0.2 * k, np.full(4, k, np.float32)) for k in range(6)]


def read(features: list[FrameFeatures], order: list[int]) -> list[int]:
    return [int(f.features[0]) for f in whatif.rearranged(features, order)]


def test_orders(features):
    count = len(features)
    assert read(features, whatif.backwards(count)) == [5, 4, 3, 2, 1, 0]
    assert sorted(read(features, whatif.shuffled(count, 3))) == list(range(count))
    assert read(features, whatif.frozen(count)) == [0] * count
    assert read(features, whatif.without_every(count, 3)) == [0, 1, 3, 4]
    assert read(features, whatif.hidden(count, 1, 3)) == [0, 4, 5]
    with pytest.raises(ValueError, match="2 or more"):
        whatif.without_every(count, 1)


def test_a_place_keeps_its_time(features):
    moved = whatif.rearranged(features, whatif.backwards(6))
    assert [f.time for f in moved] == [f.time for f in features]
    assert [f.index for f in whatif.rearranged(features, whatif.hidden(6, 0, 1))] == [2, 3, 4, 5]


def test_difference_is_a_distance():
    a, b = np.array([0.5, 0.5, 0.0]), np.array([0.0, 0.5, 0.5])
    assert whatif.difference(a, a) == 0
    assert whatif.difference(a, b) == whatif.difference(b, a) == pytest.approx(0.5)
