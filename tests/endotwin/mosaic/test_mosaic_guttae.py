"""Guttae cover what was asked for, whatever the numbers."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mosaic_draws import mosaics_with
from scipy.ndimage import binary_erosion, label

from endotwin.generator.latents import draw_normals
from endotwin.image_range import IMAGE_SIZE, ImageRange
from endotwin.mosaic.guttae import GUTTAE_NUMBERS, GuttaeLook, draw_guttae, soften
from endotwin.mosaic.raster import Raster, rasterise


@functools.cache
def mosaic() -> Raster:
    return rasterise(mosaics_with(0, 1, 600.0, 0.3, 0.55)[0])


def numbers(seed: int) -> np.ndarray:
    return draw_normals(ImageRange(seed, 0, 1), GUTTAE_NUMBERS)[0]


def cover(seed: int, share: float) -> np.ndarray:
    return draw_guttae(numbers(seed), share, mosaic().owner).covered


@given(seed=st.integers(0, 2**32), share=st.floats(0.0, 0.4))
def test_they_cover_exactly_the_share(seed: int, share: float) -> None:
    drawn = cover(seed, share)
    assert drawn.shape == (IMAGE_SIZE, IMAGE_SIZE)
    assert drawn.dtype == bool
    assert drawn.sum() == round(share * IMAGE_SIZE**2)
    np.testing.assert_array_equal(drawn, cover(seed, share))


def test_more_guttae_become_confluent() -> None:
    """Single guttae are a few blobs, each of several pixels; at 0.4 they have grown together."""

    def largest(share: float) -> float:
        sizes = []
        for seed in range(20):
            pieces, _ = label(cover(seed, share))
            sizes.append(np.bincount(pieces.ravel())[1:].max() / (share * IMAGE_SIZE**2))
        return float(np.mean(sizes))

    pieces = [label(cover(seed, 0.1))[1] for seed in range(20)]
    assert 1.5 < np.mean(pieces) < 12
    assert 0.2 < largest(0.1) < 0.95
    assert largest(0.4) > 0.3


def test_other_numbers_put_them_elsewhere() -> None:
    covered = np.mean([cover(seed, 0.2) for seed in range(60)], axis=0)
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


def test_edges_are_of_different_softness() -> None:
    half = np.zeros((IMAGE_SIZE, IMAGE_SIZE), dtype=bool)
    half[:, 64:] = True
    nothing = np.zeros((IMAGE_SIZE, IMAGE_SIZE), dtype=np.float32)
    softness = nothing.copy()
    softness[64:] = 1.0
    soft = soften(half, GuttaeLook(nothing + 1, softness, nothing))
    rise = np.diff(soft, axis=1).max(axis=1)
    assert rise[:60] == pytest.approx(0.165, abs=0.005)  # of a Gaussian of 2.4 pixels
    assert rise[68:] == pytest.approx(0.1075, abs=0.005)  # of 3.7
    np.testing.assert_allclose(soft[100], soften(half)[100], atol=1e-6)


def test_outlines_follow_the_borders_of_cells() -> None:
    """Of the pixels at the outline more lie within 2 pixels of a border than of all pixels."""
    near = mosaic().border < 2.0
    at_edge = []
    for seed in range(30):
        covered = cover(seed, 0.15)
        at_edge += near[covered & ~binary_erosion(covered, border_value=1)].tolist()
    assert np.mean(at_edge) > 1.3 * near.mean()


def test_each_gutta_has_a_look_of_its_own() -> None:
    looks = [draw_guttae(numbers(seed), 0.2, mosaic().owner) for seed in range(40)]
    depths = np.array([drawn.look.depths[drawn.covered].mean() for drawn in looks])
    assert depths.mean() == pytest.approx(1.0, abs=0.1)
    assert 0.05 < depths.std() < 0.3
    within = [drawn.look.depths[drawn.covered].std() for drawn in looks]
    assert 0.05 < np.mean(within) < 0.35
    glints = [drawn.look.glints.max() for drawn in looks]
    assert 0.3 < np.mean(np.array(glints) > 0.0) < 0.95
    assert all(drawn.look.glints.min() >= 0.0 for drawn in looks)


def test_an_image_without_guttae_has_no_look() -> None:
    drawn = draw_guttae(numbers(1), 0.0, mosaic().owner)
    assert not drawn.covered.any()
    assert not drawn.look.glints.any()
    assert (drawn.look.depths == 1.0).all()
