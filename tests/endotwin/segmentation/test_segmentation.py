"""Cells of drawn mosaics come back, with the numbers that they were drawn with."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from drawn_cells import drawn_segmenter, hexagons

from endotwin.mosaic.morphometry import measure_cells
from endotwin.segmentation.cells import neighbour_pairs
from endotwin.segmentation.certain_cells import cut_by_edge, weights_of_whole
from training.trial.cell_matches import match_cells


def test_the_cells_of_a_drawn_mosaic_come_back() -> None:
    labels, drawn = hexagons(22, 300, 400, jitter=2.0)
    found = drawn_segmenter().segment(drawn)
    assert found.zoom == 1
    matched = match_cells(found.basins, labels + 1, np.ones(labels.shape, dtype=bool))
    assert matched.f1 > 0.98
    overlap = (found.instances > 0) & (found.basins > 0)
    assert found.evaluated > 0.97
    assert overlap.mean() > 0.85
    assert not found.warnings


@pytest.mark.parametrize("spacing", [20, 26])
def test_a_regular_mosaic_has_the_numbers_of_a_regular_mosaic(spacing: int) -> None:
    _, drawn = hexagons(spacing, 320, 420)
    found = drawn_segmenter().segment(drawn, pixel_size=0.9)
    area = spacing**2 * math.sqrt(3) / 2
    measured = found.morphometry
    assert measured.mean_area == pytest.approx(area, rel=0.02)
    assert found.density == pytest.approx(1e6 / (area * 0.81), rel=0.02)
    assert measured.cv is not None
    assert measured.cv < 0.06
    assert measured.hexagonality is not None
    assert measured.hexagonality > 0.95
    assert 100 < found.inner_cells <= measured.count


def test_a_cell_beside_an_uncertain_one_has_no_number_of_neighbours() -> None:
    _, drawn = hexagons(24, 200, 260)
    found = drawn_segmenter().segment(drawn, scale=1.0)
    middle = found.basins[100, 130]
    certain = found.certain.copy()
    certain[middle] = False
    without = replace(found, certain=certain)
    assert without.morphometry.count == found.morphometry.count - 1
    assert without.inner_cells == found.inner_cells - 7  # itself and its six neighbours
    assert without.instances[100, 130] == 0
    unknown = [cell for cell in without.cells if cell.whole and cell.neighbours is None]
    assert len(unknown) == len([c for c in found.cells if c.whole and c.neighbours is None]) + 6


@pytest.mark.parametrize("spacing", [9, 55])
def test_the_size_of_the_cells_is_found(spacing: int) -> None:
    labels, drawn = hexagons(spacing, 480, 640, jitter=spacing / 12)
    found = drawn_segmenter().segment(drawn)
    # The network learned cells 20 pixels a side.
    assert found.zoom == pytest.approx(20 / (spacing * math.sqrt(math.sqrt(3) / 2)), rel=0.2)
    matched = match_cells(found.basins, labels + 1, np.ones(labels.shape, dtype=bool))
    assert matched.f1 > 0.9


def test_instances_are_the_pieces_between_the_borders_and_each_cell_is_in_the_list() -> None:
    _, drawn = hexagons(24, 200, 260, jitter=2.0)
    found = drawn_segmenter().segment(drawn)
    assert ((found.borders == 255) == (found.instances == 0)).all()
    pairs = neighbour_pairs(found.instances)
    assert (pairs[:, 0] == 0).all()  # a border lies between any two cells
    assert [cell.number for cell in found.cells] == list(range(1, len(found.cells) + 1))
    assert set(np.unique(found.instances)) == {0, *range(1, len(found.cells) + 1)}
    for cell in found.cells[::7]:
        rows, columns = np.nonzero(found.instances == cell.number)
        assert abs(rows.mean() - cell.y) < 1
        assert abs(columns.mean() - cell.x) < 1
        edge = rows.min() == 0 or columns.min() == 0 or rows.max() >= 198 or columns.max() >= 258
        assert cell.whole or edge
        assert cell.whole or cell.neighbours is None


def test_whole_cells_stand_for_all() -> None:
    # Half of the cells four times as large: of these the edge cuts more.
    rows, columns = np.indices((96, 96))
    small = (rows // 8) * 12 + columns // 8
    cells = np.where(rows < 48, small, 1000 + (rows // 16) * 6 + columns // 16)
    _, cells = np.unique(cells, return_inverse=True)
    cells = cells.reshape(96, 96) + 1
    whole = ~cut_by_edge(cells)
    whole[0] = False
    areas, neighbours = np.bincount(cells.ravel())[whole], np.zeros(int(whole.sum()))
    plain, weighted = (
        measure_cells(areas, neighbours, weights).mean_area
        for weights in (None, weights_of_whole(cells, whole))
    )
    true = 96 * 96 / (12 * 6 + 6 * 3)
    assert plain is not None
    assert weighted is not None
    assert abs(weighted - true) < abs(plain - true)


def test_an_empty_image_has_no_numbers_but_a_warning() -> None:
    for grey in (0, 255):
        found = drawn_segmenter().segment(np.full((480, 640), grey, dtype=np.uint8), pixel_size=1.0)
        assert found.cells == ()
        assert found.density is None
        assert found.morphometry.cv is None
        assert found.warnings == ("no whole cell found: no numbers",)


def test_few_cells_have_no_numbers() -> None:
    _, drawn = hexagons(22, 66, 66)
    found = drawn_segmenter().segment(drawn, scale=1.0, pixel_size=1.0)
    assert 0 < found.morphometry.count < 10
    assert found.density is None
    assert "no numbers" in found.warnings[0]


def test_cells_in_a_corner_of_an_image_have_no_numbers() -> None:
    _, drawn = hexagons(16, 90, 90)
    image = np.full((600, 700), 255, dtype=np.uint8)
    image[:90, :90] = drawn
    found = drawn_segmenter().segment(image, scale=1.0, pixel_size=1.0)
    assert found.morphometry.count >= 10
    assert found.density is None
    assert any("of the image: no numbers" in warning for warning in found.warnings)
