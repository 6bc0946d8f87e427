"""The same cells in two images, however they were changed; and other cells, which never match."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from drawn_mosaics import mosaic
from PIL import Image

from training.curation.duplicates import (
    candidate_pairs,
    find_features,
    hash_features,
    match_features,
    mean_descriptor,
    missing_within_groups,
)
from training.curation.thresholds import read_thresholds

LIMITS = read_thresholds().limits


def resaved(pixels: np.ndarray) -> np.ndarray:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="JPEG", quality=60)
    return np.asarray(Image.open(buffer))


def rescaled(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize((205, 205), Image.Resampling.BICUBIC))


CHANGES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float]] = {
    "resaved": (resaved, 1.0),
    "rescaled": (rescaled, 1.0),
    "recropped": (lambda pixels: pixels[50:220, 30:200], 1.0),
    "half of it": (lambda pixels: np.hstack([pixels[:, 128:], mosaic(99)[:, :128]]), 0.5),
    "darker": (lambda pixels: (pixels * 0.6 + 5).astype(np.uint8), 1.0),
    "upside down": (lambda pixels: pixels[::-1, ::-1].copy(), 1.0),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found(change: str) -> None:
    function, overlap = CHANGES[change]
    one, other = find_features(mosaic(1)), find_features(function(mosaic(1)))
    match = match_features(one, other)
    assert match.points >= 2 * LIMITS.points_min
    assert match.overlap == pytest.approx(overlap, abs=0.03)
    # It is a candidate, among others perhaps: these all look alike.
    several = [find_features(mosaic(seed)) for seed in range(2, 6)]
    descriptors = [features.descriptors for features in (one, other, *several)]
    centre = mean_descriptor(descriptors)
    assert (0, 1) in candidate_pairs([hash_features(each, centre) for each in descriptors])


def test_other_cells_do_not_match() -> None:
    features = [find_features(mosaic(seed)) for seed in range(8)]
    points = [
        match_features(one, other).points for one in features for other in features if one is not other
    ]
    assert max(points) < LIMITS.points_min / 2


def test_a_quarter_turn_is_another_image() -> None:
    assert match_features(find_features(mosaic(1)), find_features(np.rot90(mosaic(1)).copy())).points == 0


def test_an_image_without_points_matches_nothing() -> None:
    empty = find_features(np.full((128, 128), 90, dtype=np.uint8))
    assert empty.descriptors.shape == (0, 128)
    assert match_features(empty, find_features(mosaic(0))).points == 0
    hashes = hash_features(empty.descriptors, mean_descriptor([empty.descriptors]))
    assert candidate_pairs([hashes] * 3) == []


def test_the_rest_of_a_group_is_compared_too() -> None:
    compared = [("a", "b"), ("b", "c"), ("c", "d"), ("e", "f")]
    alike = [("a", "b"), ("b", "c"), ("e", "f")]
    assert missing_within_groups(compared, alike) == [("a", "c")]
