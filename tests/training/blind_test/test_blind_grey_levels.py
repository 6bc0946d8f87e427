"""Levels of a blind test's images: one range, one number of levels, the order of the pixels kept."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from blind_sets import draw_photograph

from training.blind_test.grey_levels import ENDS, LEVELS, spread_levels

IMAGES_FOLDER = {
    "stretched": draw_photograph(1)[:128, :128],
    "dark": (draw_photograph(2)[:128, :128] // 16).astype(np.uint8),
    "saturated": np.maximum(draw_photograph(3)[:128, :128], 240),
    "one level": np.full((128, 128), 7, dtype=np.uint8),
    "two far levels": np.repeat(np.array([[10], [200]], dtype=np.uint8), 64, axis=0).repeat(128, axis=1),
}


@pytest.mark.parametrize("name", IMAGES_FOLDER)
def test_range_and_number_of_levels_are_always_the_same(name: str) -> None:
    spread = spread_levels(IMAGES_FOLDER[name], np.random.default_rng(0))
    ends = round(ENDS * spread.size)
    levels, counts = np.unique(spread, return_counts=True)
    assert spread.dtype == np.uint8
    assert spread.shape == (128, 128)
    assert len(levels) == LEVELS
    assert (levels[0], levels[-1]) == (0, 255)
    assert (counts[0], counts[-1]) == (ends, ends)


def test_order_of_pixels_is_kept() -> None:
    image = IMAGES_FOLDER["stretched"]
    spread = spread_levels(image, np.random.default_rng(0)).astype(int)
    by_level = [spread[image == level] for level in np.unique(image)]
    for darker, lighter in pairwise(by_level):
        assert darker.max() <= lighter.min()


def test_contrast_and_brightness_are_removed() -> None:
    image = IMAGES_FOLDER["stretched"].astype(int)
    darker = (image // 4 + 20).astype(np.uint8)  # every fourth level only: nothing is lost by the division
    one = spread_levels(darker, np.random.default_rng(0)).astype(int)
    other = spread_levels((image // 4 + 90).astype(np.uint8), np.random.default_rng(0))
    np.testing.assert_array_equal(one, other)
