"""Guttae cover what was asked for, whatever the numbers."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mosaic_draws import mosaics_with
from scipy.ndimage import binary_closing, binary_erosion, label

from endotwin.field_size import STANDARD
from endotwin.generator.latents import draw_normals
from endotwin.image_range import IMAGE_SIZE, ImageRange
from endotwin.mosaic.gutta_kernels import lie_around, raise_spots
from endotwin.mosaic.gutta_spots import GUTTAE_NUMBERS, ellipse_form, place_spots
from endotwin.mosaic.guttae import Guttae, GuttaeLook, draw_guttae, soften
from endotwin.mosaic.raster import Raster, rasterise


@functools.cache
def mosaic() -> Raster:
    return rasterise(mosaics_with(0, 1, 600.0, 0.3, 0.55)[0])


def numbers(seed: int) -> np.ndarray:
    return draw_normals(ImageRange(seed, 0, 1), GUTTAE_NUMBERS)[0]


def draw(seed: int, share: float) -> Guttae:
    return draw_guttae(place_spots(numbers(seed), share, STANDARD), mosaic().owner)


def cover(seed: int, share: float) -> np.ndarray:
    return draw(seed, share).covered


def circles(*those: tuple[float, float, float]) -> np.ndarray:
    """Return spots of these centres and radii."""
    return np.array([(x, y, *ellipse_form(radius, radius, 0.0)) for x, y, radius in those])


@given(seed=st.integers(0, 2**32), share=st.floats(0.0, 0.4))
def test_they_cover_exactly_the_share(seed: int, share: float) -> None:
    drawn = cover(seed, share)
    assert drawn.shape == (IMAGE_SIZE, IMAGE_SIZE)
    assert drawn.dtype == bool
    assert drawn.sum() == round(share * IMAGE_SIZE**2)
    np.testing.assert_array_equal(drawn, cover(seed, share))


def test_more_guttae_become_confluent() -> None:
    """Single guttae are a few blobs, each of several pixels; at 0.4 many have grown together."""

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


def test_a_thread_parts_guttae_that_meet() -> None:
    """Of two equal circles that touch at x = 64 it is where that line is nearer than half of its width."""
    spots = circles((44.0, 64.0, 20.0), (84.0, 64.0, 20.0))
    even = np.zeros((15, 15))
    _, highest, threads = raise_spots(spots, np.full(2, np.inf), even, 0.0, 4.0, 0.0, 128, 128)
    assert np.flatnonzero(threads[20]).tolist() == [62, 63, 64, 65]
    assert np.flatnonzero(threads[64]).tolist() == [62, 63, 64, 65]
    assert (highest[:, :64] == 0).all()
    assert (highest[:, 64:] == 1).all()


def test_a_gutta_within_another_one_has_no_thread_around_it() -> None:
    spots = circles((64.0, 64.0, 50.0), (70.0, 64.0, 8.0))
    even = np.zeros((15, 15))
    threads = raise_spots(spots, np.full(2, np.inf), even, 0.0, 3.0, 0.0, 128, 128)[2]
    assert not threads.any()


def test_threads_are_never_covered_and_lie_between_guttae() -> None:
    between = []
    for seed in range(20):
        spots = place_spots(numbers(seed), 0.35, STANDARD)
        assert spots is not None
        covered = draw(seed, 0.35).covered
        assert not (covered & spots.threads).any()
        filled = binary_closing(np.pad(covered, 8), np.ones((7, 7)))[8:-8, 8:-8]
        between.append((filled & spots.threads).sum())
    assert np.median(between) > 50


def test_cells_crowd_around_guttae_and_their_mirror_images() -> None:
    spots = circles((40.0, 40.0, 10.0))
    positions = np.array([[45.0, 40.0], [52.0, 40.0], [40.0, 59.0], [40.0, 61.0]])
    assert lie_around(positions, spots, 10.0).tolist() == [-1.0, 1.0, 1.0, 0.0]
    placed = place_spots(numbers(3), 0.2, STANDARD)
    assert placed is not None
    across, down = (part.ravel() + 0.5 for part in np.meshgrid(np.arange(-30, 30), np.arange(0, 128)))
    one, other = (
        placed.lie_around(np.column_stack([sign * across, down]), 20.0).reshape(128, 60) for sign in (1, -1)
    )
    np.testing.assert_array_equal(one, other)
    assert {-1.0, 0.0, 1.0} == set(one.ravel().tolist())


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
    assert rise[:60] == pytest.approx(0.153, abs=0.005)  # of a Gaussian of 2.6 pixels
    assert rise[68:] == pytest.approx(0.117, abs=0.005)  # of 3.4
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
    looks = [draw(seed, 0.2) for seed in range(40)]
    depths = np.array([drawn.look.depths[drawn.covered].mean() for drawn in looks])
    assert depths.mean() == pytest.approx(1.0, abs=0.1)
    assert 0.05 < depths.std() < 0.3
    within = [drawn.look.depths[drawn.covered].std() for drawn in looks]
    assert 0.05 < np.mean(within) < 0.35
    glints = [drawn.look.glints.max() for drawn in looks]
    assert 0.3 < np.mean(np.array(glints) > 0.0) < 0.95
    assert all(drawn.look.glints.min() >= 0.0 for drawn in looks)


def test_an_image_without_guttae_has_no_look() -> None:
    drawn = draw(1, 0.0)
    assert not drawn.covered.any()
    assert not drawn.look.glints.any()
    assert (drawn.look.depths == 1.0).all()
