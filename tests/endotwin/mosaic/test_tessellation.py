"""Power diagrams against closed forms, scipy's Voronoi diagrams, and wanted areas."""

from __future__ import annotations

import math

import numpy as np
import pytest
from power_diagrams import borders_by_hull
from scipy.spatial import ConvexHull, Voronoi

from endotwin.mosaic.kernels import newton_step
from endotwin.mosaic.tessellation import Tessellation, tessellate

SPACING = 10.0
ROW = math.sqrt(3) / 2 * SPACING


def hexagons(rows: int = 12) -> np.ndarray:
    """Return the sites of a hexagonal grid, (rows², 2)."""
    a, b = (part.ravel() for part in np.meshgrid(np.arange(rows), np.arange(rows)))
    return np.column_stack([(a + 0.5 * (b % 2)) * SPACING, b * ROW])


def scattered(seed: int, count: int = 160, side: float = 100.0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, side, (count, 2))


def correct_weights(found: Tessellation, wanted: np.ndarray, free: np.ndarray) -> np.ndarray:
    return found.weights + newton_step(found.sites, found.cells, wanted, free, 1e-3)


def inside(sites: np.ndarray, margin: float) -> np.ndarray:
    """Tell which sites are further than `margin` from the edge of all of them."""
    low, high = sites.min(axis=0) + margin, sites.max(axis=0) - margin
    return ((sites > low) & (sites < high)).all(axis=1)


def test_a_hexagonal_grid_makes_regular_hexagons() -> None:
    sites = hexagons()
    found = tessellate(sites, np.zeros(len(sites)))
    inner = inside(sites, 2 * SPACING)
    assert inner.sum() > 30
    np.testing.assert_allclose(found.areas[inner], SPACING * ROW, rtol=1e-9)
    np.testing.assert_allclose(found.centroids[inner], sites[inner], atol=1e-9)
    assert set(found.sides[inner]) == {6}
    of_inner = inner[found.neighbours[:, 0]]
    np.testing.assert_allclose(found.lengths[of_inner], SPACING / math.sqrt(3), rtol=1e-9)


def test_a_weight_moves_the_borders_of_its_cell() -> None:
    """With weight w the border to a neighbour at distance d lies w / 2d further out."""
    sites = hexagons()
    middle = int(np.argmin(np.hypot(*(sites - sites.mean(axis=0)).T)))
    weights = np.zeros(len(sites))
    weights[middle] = 8.0
    found = tessellate(sites, weights)
    inradius = SPACING / 2 + weights[middle] / (2 * SPACING)
    assert found.areas[middle] == pytest.approx(2 * math.sqrt(3) * inradius**2, rel=1e-9)
    np.testing.assert_allclose(
        found.lengths[found.neighbours[:, 0] == middle], 2 * inradius / math.sqrt(3), rtol=1e-9
    )


@pytest.mark.parametrize("seed", range(5))
def test_without_weights_it_is_the_voronoi_diagram(seed: int) -> None:
    sites = scattered(seed)
    found = tessellate(sites, np.full(len(sites), 3.0))  # equal weights are none
    voronoi = Voronoi(sites)
    inner = np.flatnonzero(inside(sites, 15))
    for k in inner:
        polygon = ConvexHull(voronoi.vertices[voronoi.regions[voronoi.point_region[k]]])
        assert found.areas[k] == pytest.approx(polygon.volume, rel=1e-7)
        assert found.sides[k] == len(polygon.vertices)
    expected = {tuple(pair) for pair in voronoi.ridge_points.tolist()}
    expected |= {(j, i) for i, j in expected}
    of_inner = np.isin(found.neighbours[:, 0], inner)
    assert {tuple(pair) for pair in found.neighbours[of_inner].tolist()} == {
        pair for pair in expected if pair[0] in set(inner.tolist())
    }


def test_a_cell_is_where_the_weighted_distance_is_least() -> None:
    """Areas and centroids against counting points of a fine grid."""
    sites = scattered(7, count=60)
    weights = np.random.default_rng(7).normal(0, 25, len(sites))
    found = tessellate(sites, weights)
    axis = np.arange(0.1, 100, 0.2)
    points = np.column_stack([part.ravel() for part in np.meshgrid(axis, axis)])
    power = (points * points).sum(axis=1)[:, None] - 2 * points @ sites.T
    owner = (power + (sites * sites).sum(axis=1) - weights).argmin(axis=1)
    inner = np.flatnonzero(inside(sites, 25))
    for k in inner:
        mine = points[owner == k]
        assert found.areas[k] == pytest.approx(len(mine) * 0.04, abs=2.0)
        if found.areas[k] > 20:
            np.testing.assert_allclose(found.centroids[k], mine.mean(axis=0), atol=0.1)


@pytest.mark.parametrize("seed", range(4))
def test_cells_are_those_of_the_lower_convex_hull(seed: int) -> None:
    """With weights so unequal that some sites have no cell."""
    sites = scattered(seed)
    weights = np.random.default_rng(seed).normal(0, 30, len(sites))
    found = tessellate(sites, weights)
    pairs, ends = borders_by_hull(sites, weights)
    shown = np.unique(pairs)
    assert len(shown) < len(sites)
    inner = np.intersect1d(np.flatnonzero(inside(sites, 15)), shown)
    lengths = {}
    for (i, j), (start, end) in zip(pairs.tolist(), ends, strict=True):
        lengths[i, j] = lengths[j, i] = math.hypot(*(end - start))
    for (i, j), length in zip(found.neighbours.tolist(), found.lengths, strict=True):
        if i in inner:
            assert length == pytest.approx(lengths.pop((i, j)), abs=1e-9)
    assert not {pair for pair in lengths if pair[0] in inner}
    assert set(np.flatnonzero(found.areas[inside(sites, 15)] > 0)) == set(
        np.flatnonzero(np.isin(np.arange(len(sites)), shown)[inside(sites, 15)])
    )


def test_cells_that_are_not_chosen_are_left_out_and_change_nothing() -> None:
    sites = scattered(2)
    weights = np.random.default_rng(2).normal(0, 20, len(sites))
    chosen = inside(sites, 20)
    every, some = tessellate(sites, weights), tessellate(sites, weights, chosen)
    for name in ("areas", "centroids", "aspects", "sides"):
        np.testing.assert_array_equal(getattr(some, name)[chosen], getattr(every, name)[chosen])
    assert not some.areas[~chosen].any()
    np.testing.assert_array_equal(some.neighbours, every.neighbours[chosen[every.neighbours[:, 0]]])


def test_aspects_in_closed_form() -> None:
    """Rows of sites make rectangles; a grid of hexagons has none but round cells."""
    x, y = (part.ravel() for part in np.meshgrid(np.arange(12) * 5.0, np.arange(9) * 15.0))
    sites = np.column_stack([x, y])
    found = tessellate(sites, np.zeros(len(sites)))
    np.testing.assert_allclose(found.aspects[inside(sites, 1)], 3.0, rtol=1e-9)
    sites = hexagons()
    found = tessellate(sites, np.zeros(len(sites)))
    np.testing.assert_allclose(found.aspects[inside(sites, 2 * SPACING)], 1.0, rtol=1e-7)


def test_neighbours_are_neighbours_of_each_other() -> None:
    found = tessellate(scattered(3), np.random.default_rng(3).normal(0, 20, 160))
    pairs = {
        tuple(pair): length for pair, length in zip(found.neighbours.tolist(), found.lengths, strict=True)
    }
    assert len(pairs) == len(found.neighbours)
    for (i, j), length in pairs.items():
        assert pairs[(j, i)] == pytest.approx(length, rel=1e-9)
    np.testing.assert_array_equal(found.sides, np.bincount(found.neighbours[:, 0], minlength=160))


def test_a_site_whose_weight_is_far_too_small_has_no_cell() -> None:
    sites = hexagons()
    middle = int(np.argmin(np.hypot(*(sites - sites.mean(axis=0)).T)))
    weights = np.zeros(len(sites))
    weights[middle] = -200.0
    found = tessellate(sites, weights)
    assert found.areas[middle] == 0
    assert found.sides[middle] == 0
    assert middle not in found.neighbours


@pytest.mark.parametrize("seed", range(3))
def test_newton_steps_find_wanted_areas(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sites = hexagons() + rng.normal(0, 0.8, (144, 2))
    free = inside(hexagons(), 1.5 * SPACING)
    found = tessellate(sites, np.zeros(len(sites)))
    wanted = rng.lognormal(0, 0.3, len(sites))
    wanted *= found.areas[free].mean() / wanted[free].mean()
    start = np.abs(found.areas - wanted)[free].mean() / wanted[free].mean()
    for _ in range(12):
        weights = correct_weights(found, wanted, free)
        np.testing.assert_array_equal(weights[~free], 0.0)
        found = tessellate(sites, weights)
    assert start > 0.15
    np.testing.assert_allclose(found.areas[free], wanted[free], rtol=0.02)


def test_no_step_is_larger_than_a_quarter_of_a_cell() -> None:
    sites = hexagons()
    free = inside(sites, 1.5 * SPACING)
    wanted = np.full(len(sites), SPACING * ROW)
    wanted[free.argmax()] *= 20
    weights = correct_weights(tessellate(sites, np.zeros(len(sites))), wanted, free)
    assert weights.max() == pytest.approx(0.25 * wanted[free].mean())
