"""Cells from borders: the three numbers on mosaics whose numbers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_mosaics import hexagon_sites, lines_between, nearest_site
from scipy import ndimage

from endotwin.segmentation.cells import WEAK, border_basins, cells_from_borders
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


def test_a_line_divides_by_its_mean_not_by_its_lowest_place() -> None:
    two = np.zeros((80, 200))
    two[:, 99:102] = 1.0
    faint = two.copy()
    faint[38:41, :99] = 0.19  # a basin on either side, and no border
    assert (border_basins(faint).max(), cells_from_borders(faint).max()) == (3, 2)
    weak = two.copy()
    weak[38:41, :99] = 0.3
    assert cells_from_borders(weak).max() == 3
    gap = np.where(two > 0, 0.9, 0.0)
    gap[30:50] = 0.0
    assert (border_basins(gap).max(), cells_from_borders(gap).max()) == (1, 1)  # no line, no cells


@given(st.integers(0, 2**32 - 1))
def test_each_basin_is_in_one_cell_and_no_weak_line_is_left(seed: int) -> None:
    probability = ndimage.gaussian_filter(np.random.default_rng(seed).random((48, 48)), 2.0)
    probability = (probability - probability.min()) / np.ptp(probability)
    basins, cells = border_basins(probability), cells_from_borders(probability)
    assert sorted(np.unique(cells)) == list(range(1, int(cells.max()) + 1))
    pairs = np.unique(np.stack([basins.ravel(), cells.ravel()], axis=1), axis=0)
    assert len(pairs) == basins.max()
    sides: dict[tuple[int, int], list[float]] = {}
    for shift in ((1, 0), (0, 1)):
        here = np.s_[: 48 - shift[0], : 48 - shift[1]]
        there = np.s_[shift[0] :, shift[1] :]
        apart = cells[here] != cells[there]
        between = ((probability[here] + probability[there]) / 2)[apart]
        for one, other, value in zip(cells[here][apart], cells[there][apart], between, strict=True):
            sides.setdefault((min(one, other), max(one, other)), []).append(value)
    assert all(np.mean(values) >= WEAK - 1e-9 for values in sides.values())


def test_cells_cut_by_the_edge_of_the_area_are_left_out() -> None:
    rows, columns = np.mgrid[:120, :120]
    borders = thick(thin(lines_between(rows // 20 * 100 + columns // 20)))
    area = np.zeros(borders.shape, dtype=bool)
    area[20:80, 20:70] = True  # three by two whole cells and halves of three more
    assert count_cells(cells_from_borders(borders), area).cells == 6


def test_nothing_found_is_told_as_nothing() -> None:
    found = count_cells(cells_from_borders(np.zeros((80, 80))), inside((80, 80), 20))
    assert (found.cells, found.density, found.cv, found.hexagonality) == (0, 0.0, None, None)
