"""Cells from borders: the three numbers on mosaics whose numbers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_mosaics import hexagon_sites, lines_between, nearest_site
from scipy import ndimage

from endotwin.segmentation.cells import DEPTH, SMOOTHING, cells_from_borders
from training.trial.borders import thick, thin
from training.trial.cells import count_cells

SPACING = 24.0
HEXAGON = SPACING**2 * math.sqrt(3) / 2


def hexagons() -> np.ndarray:
    return thick(thin(lines_between(nearest_site(hexagon_sites(SPACING, 260, 300), 260, 300))))


def inside(shape: tuple[int, int], margin: int) -> np.ndarray:
    area = np.zeros(shape, dtype=bool)
    area[margin:-margin, margin:-margin] = True
    return area


def test_a_hexagonal_lattice_has_its_density_no_variation_and_six_neighbours() -> None:
    borders = hexagons()
    found = count_cells(cells_from_borders(borders), inside(borders.shape, 30))
    assert found.cells > 60
    assert 1 / found.density == pytest.approx(HEXAGON, rel=0.02)
    assert found.cv is not None
    assert found.cv < 0.06  # whole pixels: 0 but for their rounding
    assert found.inner_cells > 30
    assert found.hexagonality == 1.0


def test_a_square_lattice_of_bricks_has_its_neighbours() -> None:
    """Bricks laid half over half have six neighbours, bricks on one another four."""
    rows, columns = np.mgrid[:200, :200]
    laid = rows // 20 * 100 + (columns + 10 * (rows // 20 % 2)) // 20
    stacked = rows // 20 * 100 + columns // 20
    for labels, expected in ((laid, 1.0), (stacked, 0.0)):
        found = count_cells(cells_from_borders(thick(thin(lines_between(labels)))), inside((200, 200), 15))
        assert found.inner_cells > 20
        assert found.hexagonality == expected


def test_variation_of_two_sizes_is_the_one_computed_by_hand() -> None:
    """Rows of rectangles 20 high, by turns 20 and 40 wide: mean 600, deviation 200."""
    rows, columns = np.mgrid[:200, :180]
    labels = rows // 20 * 100 + columns // 60 * 2 + (columns % 60 >= 20)
    area = np.zeros(labels.shape, dtype=bool)
    area[20:180, 60:120] = True
    found = count_cells(cells_from_borders(thick(thin(lines_between(labels)))), area)
    assert found.cells == 16
    assert found.cv == pytest.approx(1 / 3, abs=0.03)


def test_a_small_gap_in_a_border_does_not_join_two_cells() -> None:
    borders = hexagons()
    whole = count_cells(cells_from_borders(borders), inside(borders.shape, 30))
    row, column = np.argwhere(borders[100:160, 100:160]).mean(axis=0).round().astype(int) + 100
    gap = borders.astype(float)
    rows = np.flatnonzero(borders[row - 12 : row + 13, column]) + row - 12
    gap[rows[0] : rows[0] + 2, column - 1 : column + 2] = 0
    assert count_cells(cells_from_borders(gap), inside(borders.shape, 30)).cells == whole.cells


def test_a_ridge_lower_than_a_basin_is_deep_divides_nothing() -> None:
    """Also between places of one level: in the middle of a cell the probability is 0 in many."""
    two = np.zeros((80, 200))
    two[:, 99:102] = 1.0
    shallow = two.copy()
    shallow[30:50, :99] = 0.8 * DEPTH
    assert shallow[10, 50] == shallow[70, 50] == 0.0
    assert cells_from_borders(shallow).max() == 2
    deep = two.copy()
    deep[30:50, :99] = 1.2 * DEPTH
    assert cells_from_borders(deep).max() == 3


@given(st.integers(0, 2**32 - 1))
def test_every_basin_is_deep_enough(seed: int) -> None:
    """From the lowest place of a cell no way into another one stays below its depth."""
    rough = ndimage.gaussian_filter(np.random.default_rng(seed).random((40, 40)), 1.5)
    probability = np.clip((rough - rough.min()) / np.ptp(rough) - 0.2, 0.0, 1.0)  # plains of 0
    cells = cells_from_borders(probability)
    levels = np.round(ndimage.gaussian_filter(probability, SMOOTHING) * 1000)
    for cell in range(1, int(cells.max()) + 1):
        lowest = levels[cells == cell].min()
        reached, _ = ndimage.label(levels < lowest + round(1000 * DEPTH), np.ones((3, 3)))
        start = np.argwhere((cells == cell) & (levels == lowest))[0]
        others = cells[reached == reached[tuple(start)]]
        # A lower basin beyond is the one that this would have been part of.
        assert all(levels[cells == other].min() >= lowest for other in np.unique(others))
        assert not any(
            levels[cells == other].min() <= lowest for other in np.unique(others) if other != cell
        )


def test_cells_cut_by_the_edge_of_the_area_are_left_out() -> None:
    rows, columns = np.mgrid[:120, :120]
    borders = thick(thin(lines_between(rows // 20 * 100 + columns // 20)))
    area = np.zeros(borders.shape, dtype=bool)
    area[20:80, 20:70] = True  # three by two whole cells and halves of three more
    assert count_cells(cells_from_borders(borders), area).cells == 6


def test_nothing_found_is_told_as_nothing() -> None:
    found = count_cells(cells_from_borders(np.zeros((80, 80))), inside((80, 80), 20))
    assert (found.cells, found.density, found.cv, found.hexagonality) == (0, 0.0, None, None)
