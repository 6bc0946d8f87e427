"""Lines and bands of borders, and the annotated area."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_mosaics import hexagon_sites, lines_between, nearest_site

from endotwin.segmentation.cells import cells_from_borders
from training.trial.borders import annotated_area, resized_lines, thick, thin
from training.trial.cells import CellCounts, count_cells


def test_a_wide_border_becomes_its_centre_line_and_a_band_of_three() -> None:
    borders = np.zeros((20, 30), dtype=bool)
    borders[9:12, 2:28] = True
    lines = thin(borders)
    middle = slice(5, 25)  # at its ends a thinned line is shorter
    assert set(np.flatnonzero(lines[:, middle].any(axis=1))) == {10}
    assert lines[10, middle].all()
    assert (thick(lines)[:, middle] == borders[:, middle]).all()


def test_the_annotated_area_is_the_cells_and_the_borders_around_them() -> None:
    borders = np.zeros((30, 40), dtype=bool)
    borders[5:25, 10] = borders[5:25, 20] = borders[5:25, 30] = True  # two cells side by side
    borders[5, 10:31] = borders[24, 10:31] = True
    borders[5, 31:40] = True  # a line that goes on beyond them
    cells = np.zeros_like(borders)
    cells[6:24, 11:20] = cells[6:24, 21:30] = True
    area = annotated_area(cells, borders)
    assert area[5:25, 10:31].all()
    expected = np.zeros_like(area)
    expected[5:25, 10:31] = True
    expected[5, 31:33] = True  # of the line, what is within three pixels of a cell
    assert (area == expected).all()


def test_a_cell_that_the_expert_did_not_close_is_left_out() -> None:
    borders = np.zeros((30, 30), dtype=bool)
    borders[5:25, 5] = borders[5:25, 25] = borders[5, 5:26] = True
    assert not annotated_area(np.zeros_like(borders), borders).any()


@pytest.mark.parametrize("factor", [0.5, 1.4])
def test_resized_lines_separate_the_same_cells(factor: float) -> None:
    lines = thin(lines_between(nearest_site(hexagon_sites(40, 200, 240), 200, 240)))
    height, width = round(200 * factor), round(240 * factor)
    resized = resized_lines(lines, height, width)
    assert resized.shape == (height, width)
    assert (resized == thin(resized)).all()
    before, after = inner_cells(lines, 1.0), inner_cells(resized, factor)
    assert (before.cells, before.inner_cells) == (after.cells, after.inner_cells)
    assert before.cells > 10
    assert after.cell_pixels == pytest.approx(before.cell_pixels * factor**2, rel=0.06)


def inner_cells(lines: np.ndarray, factor: float) -> CellCounts:
    area = np.zeros(lines.shape, dtype=bool)
    margin = round(30 * factor)
    area[margin:-margin, margin:-margin] = True
    return count_cells(cells_from_borders(thick(lines)), area)
