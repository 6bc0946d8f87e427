"""Guttae cover what was asked for, whatever the numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import label

from endotwin.generator.latents import draw_normals
from endotwin.image_range import IMAGE_SIZE, ImageRange
from endotwin.mosaic.guttae import GUTTAE_NUMBERS, draw_guttae, soften


def numbers(seed: int) -> np.ndarray:
    return draw_normals(ImageRange(seed, 0, 1), GUTTAE_NUMBERS)[0]


@given(seed=st.integers(0, 2**32), share=st.floats(0.0, 0.4))
def test_they_cover_exactly_the_share(seed: int, share: float) -> None:
    drawn = draw_guttae(numbers(seed), share)
    assert drawn.shape == (IMAGE_SIZE, IMAGE_SIZE)
    assert drawn.dtype == bool
    assert drawn.sum() == round(share * IMAGE_SIZE**2)
    np.testing.assert_array_equal(drawn, draw_guttae(numbers(seed), share))


def test_more_guttae_become_confluent() -> None:
    """Single guttae are a few blobs, each of several pixels; at 0.4 they have grown together."""

    def largest(share: float) -> float:
        sizes = []
        for seed in range(20):
            pieces, _ = label(draw_guttae(numbers(seed), share))
            sizes.append(np.bincount(pieces.ravel())[1:].max() / (share * IMAGE_SIZE**2))
        return float(np.mean(sizes))

    pieces = [label(draw_guttae(numbers(seed), 0.1))[1] for seed in range(20)]
    assert 1.5 < np.mean(pieces) < 12
    assert 0.2 < largest(0.1) < 0.95
    assert largest(0.4) > 0.3


def test_other_numbers_put_them_elsewhere() -> None:
    covered = np.mean([draw_guttae(numbers(seed), 0.2) for seed in range(60)], axis=0)
    assert covered.min() > 0.02
    assert covered.max() < 0.5


def test_soft_edges() -> None:
    half = np.zeros((IMAGE_SIZE, IMAGE_SIZE), dtype=bool)
    half[:, 64:] = True
    soft = soften(half)
    assert soft.dtype == np.float32
    row = soft[10]
    assert row[:40].max() < 1e-3
    assert row[88:].min() > 1 - 1e-3
    assert (np.diff(row) >= -1e-6).all()
    assert row[63] + row[64] == pytest.approx(1.0, abs=1e-5)
    assert not soften(np.zeros_like(half)).any()
