"""Pictures made alike: other sizes, sharpness and compression, the same content."""

from __future__ import annotations

import numpy as np

from training.pictures import made_alike


def test_a_picture_made_alike_keeps_its_colours_and_is_sometimes_mirrored():
    image = np.zeros((240, 320, 3), np.uint8)
    image[:, :160, 0], image[:, 160:, 1] = 220, 220  # red on the left, green on the right
    rng = np.random.default_rng(0)
    made = [made_alike(image, rng).astype(float) for _ in range(60)]
    assert all(picture[..., 2].mean() < 30 for picture in made)  # never blue
    left = [picture[:, :20, 0].mean() > picture[:, :20, 1].mean() for picture in made]
    right = [picture[:, -20:, 0].mean() > picture[:, -20:, 1].mean() for picture in made]
    assert any(a and not b for a, b in zip(left, right, strict=True))
    assert any(b and not a for a, b in zip(left, right, strict=True))
