"""Mosaics: regular ones in closed form, what each number changes, cells that look like cells."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from mosaic_draws import draw_mosaics, mosaics_with, no_numbers

from endotwin.image_range import IMAGE_SIZE
from endotwin.mosaic.drawing import GRID, Mosaic, MosaicShape, draw_mosaic
from endotwin.mosaic.morphometry import Morphometry, cells_inside, measure_cells, measure_mosaics


def arrays(mosaic: Mosaic) -> list[np.ndarray]:
    return [*vars(mosaic.tessellation).values(), mosaic.table]


@pytest.mark.parametrize("area", [200.0, 400.0, 1000.0, 3200.0])
def test_without_jitter_spread_and_gradient_every_cell_is_a_regular_hexagon(area: float) -> None:
    mosaic = draw_mosaic(*no_numbers(), MosaicShape(area, jitter=0.0, spread=0.0))
    cells = cells_inside(mosaic)
    np.testing.assert_allclose(mosaic.tessellation.areas[cells], area, rtol=1e-6)
    assert set(mosaic.tessellation.sides[cells]) == {6}
    assert len(cells) == pytest.approx(IMAGE_SIZE**2 / area, rel=0.35, abs=1)


def test_the_same_numbers_make_the_same_mosaic() -> None:
    shape = MosaicShape(500.0, jitter=0.2, spread=0.3)
    one, other = draw_mosaics(3, 2, shape), draw_mosaics(3, 2, shape)
    for mosaic, again in zip(one, other, strict=True):
        for first, second in zip(arrays(mosaic), arrays(again), strict=True):
            np.testing.assert_array_equal(first, second)
    assert not np.array_equal(one[0].tessellation.areas[:20], one[1].tessellation.areas[:20])


def test_rotation_turns_the_grid() -> None:
    def directions(number: float) -> np.ndarray:
        lattice, sites = no_numbers()
        lattice[0] = number
        found = draw_mosaic(lattice, sites, MosaicShape(400.0, 0.0, 0.0)).tessellation
        apart = found.sites[found.neighbours[:, 1]] - found.sites[found.neighbours[:, 0]]
        near = np.hypot(*apart.T) < 1.2 * math.sqrt(400 * 2 / math.sqrt(3))
        return np.degrees(np.arctan2(apart[near, 1], apart[near, 0])) % 60

    # A normal number of 0 is half a turn; 0.2104 is 1/12 of a turn more, half the way to the next row.
    away = np.minimum(directions(0.0), 60 - directions(0.0))
    np.testing.assert_allclose(away, 0, atol=1e-3)
    np.testing.assert_allclose(directions(0.21043), 30, atol=0.02)


def test_a_gradient_makes_cells_larger_on_one_side() -> None:
    lattice, sites = no_numbers()
    lattice[5] = 2.0
    found = draw_mosaic(lattice, sites, MosaicShape(250.0, 0.0, 0.0))
    cells = cells_inside(found)
    x, areas = found.tessellation.centroids[cells, 0], found.tessellation.areas[cells]
    left, right = areas[x < IMAGE_SIZE / 4].mean(), areas[x > 3 * IMAGE_SIZE / 4].mean()
    assert 1.05 < right / left < math.exp(2 * 0.15)
    lattice[5] = -2.0
    found = draw_mosaic(lattice, sites, MosaicShape(250.0, 0.0, 0.0))
    cells = cells_inside(found)
    x, areas = found.tessellation.centroids[cells, 0], found.tessellation.areas[cells]
    assert areas[x < IMAGE_SIZE / 4].mean() > 1.05 * areas[x > 3 * IMAGE_SIZE / 4].mean()


@pytest.mark.parametrize("area", [200.0, 3200.0])
def test_no_site_of_the_table_is_used_twice_in_an_image(area: float) -> None:
    for mosaic in draw_mosaics(11, 10, MosaicShape(area, 0.2, 0.3)):
        seen = mosaic.table[cells_inside(mosaic)]
        assert len(set(seen.tolist())) == len(seen)
        assert seen.min() >= 0
        assert seen.max() < GRID * GRID


def test_jitter_takes_hexagons_and_spread_makes_areas_differ() -> None:
    measured = {
        (jitter, spread): measure_mosaics(draw_mosaics(5, 25, MosaicShape(400.0, jitter, spread)))
        for jitter in (0.06, 0.18, 0.4)
        for spread in (0.1, 0.5)
    }
    for spread in (0.1, 0.5):
        shares = [measured[jitter, spread].hexagonality for jitter in (0.06, 0.18, 0.4)]
        assert shares[0] > shares[1] + 0.1 > shares[2] + 0.2
    for jitter in (0.06, 0.18, 0.4):
        assert measured[jitter, 0.5].cv > 2.5 * measured[jitter, 0.1].cv


@pytest.mark.parametrize(("jitter", "spread"), [(0.06, 0.3), (0.2, 0.3), (0.45, 0.7)])
def test_junctions_join_three_cells(jitter: float, spread: float) -> None:
    """Euler: with three-way junctions, cells have six sides on average (the edge of the image aside)."""
    pooled = [
        mosaic.tessellation.sides[cells_inside(mosaic)]
        for mosaic in draw_mosaics(9, 30, MosaicShape(300.0, jitter, spread))
    ]
    assert np.concatenate(pooled).mean() == pytest.approx(6.0, abs=0.05)


def test_large_cells_have_more_sides() -> None:
    """Lewis's law, as in real mosaics."""
    mosaics = draw_mosaics(4, 40, MosaicShape(300.0, 0.2, 0.35))
    areas = np.concatenate([m.tessellation.areas[cells_inside(m)] for m in mosaics])
    sides = np.concatenate([m.tessellation.sides[cells_inside(m)] for m in mosaics])
    means = [areas[sides == n].mean() for n in (5, 6, 7)]
    assert means[0] < means[1] < means[2]
    assert np.corrcoef(areas, sides)[0, 1] > 0.4


def test_cells_are_round_not_slivers() -> None:
    """Perimeter² over 4π area: 1.10 for a regular hexagon; a 1:4 rectangle has 2."""
    compactness = []
    for mosaic in draw_mosaics(6, 20, MosaicShape(400.0, 0.2, 0.3)):
        found = mosaic.tessellation
        perimeter = np.bincount(found.neighbours[:, 0], found.lengths, len(found.sites))
        cells = cells_inside(mosaic)
        compactness.append(perimeter[cells] ** 2 / (4 * math.pi * found.areas[cells]))
    pooled = np.concatenate(compactness)
    assert pooled.mean() < 1.25
    assert np.quantile(pooled, 0.99) < 1.6


@pytest.mark.parametrize(
    ("cv", "hexagonality"), [(0.3, 0.55), (0.3, 0.36), (0.15, 0.39), (0.6, 0.30), (0.6, 0.69)]
)
def test_there_are_neither_slivers_nor_specks(cv: float, hexagonality: float) -> None:
    """No real cell of 3,581 is more than three times as long as wide; none has a tenth of the mean area."""
    for area in (220.0, 1500.0):
        for mosaic in mosaics_with(14, 40, area, cv, hexagonality):
            cells = cells_inside(mosaic)
            assert mosaic.tessellation.aspects[cells].max() < 3.0
            assert mosaic.tessellation.areas[cells].min() > 0.1 * area


def test_measuring_in_closed_form() -> None:
    measured = measure_cells(np.array([1.0, 2.0, 3.0, 2.0]), np.array([6, 5, 6, 7]))
    assert (measured.count, measured.mean_area, measured.hexagonality) == (4, 2.0, 0.5)
    assert measured.cv == pytest.approx(math.sqrt(0.5) / 2)


def test_measuring_by_weights_is_measuring_cells_that_often() -> None:
    areas, sides = np.array([1.0, 2.0, 4.0]), np.array([6, 5, 6])
    weighted = measure_cells(areas, sides, np.array([3.0, 1.0, 2.0]))
    repeated = measure_cells(np.repeat(areas, (3, 1, 2)), np.repeat(sides, (3, 1, 2)))
    assert weighted.count == 3
    for name in ("mean_area", "cv", "hexagonality"):
        assert getattr(weighted, name) == pytest.approx(getattr(repeated, name))
    assert weighted.density(10_000) == pytest.approx(10_000 * 6 / 13)
    assert measure_cells(areas, sides, np.ones(3)) == measure_cells(areas, sides)


def test_few_cells_have_no_numbers() -> None:
    none = measure_cells(np.array([]), np.array([]))
    assert none == Morphometry(0, None, None, None)
    assert none.density(1.0) is None
    assert measure_cells(np.array([5.0]), np.array([6])) == Morphometry(1, 5.0, None, 1.0)


def test_cells_are_counted_where_their_centroid_is() -> None:
    (mosaic,) = draw_mosaics(2, 1, MosaicShape(400.0, 0.2, 0.3))
    cells = cells_inside(mosaic)
    centroids = mosaic.tessellation.centroids
    assert (centroids[cells] >= 0).all()
    assert (centroids[cells] < IMAGE_SIZE).all()
    lost = dataclasses.replace(
        mosaic.tessellation,
        areas=np.where(np.arange(len(centroids)) == cells[0], 0.0, mosaic.tessellation.areas),
    )
    np.testing.assert_array_equal(cells_inside(dataclasses.replace(mosaic, tessellation=lost)), cells[1:])
