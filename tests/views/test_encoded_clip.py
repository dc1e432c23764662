from __future__ import annotations

import numpy as np

from pipeline.models.encoder import FrameFeatures
from views.session.encoded_clip import BYTES_KEPT, EncodedClip, RecentClips


def clip(digest: str, size: int) -> EncodedClip:
    """A clip that takes so many bytes, half of them in features."""
    features = FrameFeatures(0, 0.0, np.zeros(size // 8 - 16, np.float32))  # some bytes are left for its names
    return EncodedClip(digest, "photo", 0.0, (features,), (bytes(size // 2),), None)


def test_recent_clips_are_bounded_by_their_bytes_and_the_one_unused_for_longest_goes_first():
    clips = RecentClips()
    for digest in "abc":
        clips.put(clip(digest, BYTES_KEPT // 3))
    assert clips.get("a") is not None
    clips.put(clip("d", BYTES_KEPT // 3))
    assert clips.get("b") is None
    assert all(clips.get(digest) is not None for digest in "acd")


def test_a_clip_that_is_larger_than_all_may_be_is_kept_while_it_is_the_last():
    clips = RecentClips()
    clips.put(clip("small", 800))
    clips.put(clip("large", 2 * BYTES_KEPT))
    assert clips.get("small") is None
    assert clips.get("large") is not None


def test_what_is_computed_from_a_clip_counts_and_goes_with_it():
    clips = RecentClips()
    old, new = clip("old", BYTES_KEPT // 3), clip("new", BYTES_KEPT // 3)
    clips.put(old)
    clips.put(new)
    prediction = np.zeros(BYTES_KEPT // 3 // 8)
    assert clips.prediction(new, "one", lambda: prediction) is clips.prediction(new, "one", lambda: None)
    assert clips.get("old") is not None
    clips.get("new")
    clips.prediction(new, "two", lambda: [{"layer": prediction}])
    assert clips.get("old") is None
    assert clips.get("new") is not None
