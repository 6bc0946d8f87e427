"""Cells found, missed and made up, and densities, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_mosaics import hexagon_sites, nearest_site

from training.trial.cell_matches import CellMatches, density_within, match_cells, match_centres

EVERYWHERE = np.ones((20, 60), dtype=bool)


def strips(*widths: int) -> np.ndarray:
    """Return cells side by side, 20 pixels high, numbered from 1."""
    return np.repeat(np.arange(1, len(widths) + 1), widths)[None].repeat(20, axis=0)


@pytest.mark.parametrize(
    ("predicted", "found", "missed", "made_up"),
    [
        ((20, 20, 20), 3, 0, 0),
        ((10, 10, 20, 20), 3, 0, 1),  # halves: one reaches an overlap of 0.5, the other is too many
        ((11, 9, 20, 20), 3, 0, 1),
        ((8, 4, 8, 20, 20), 2, 1, 3),  # no third does
        ((40, 20), 2, 1, 0),  # two as one: half of it is the first, as good as an overlap of 0.5
        ((26, 14, 20), 3, 0, 0),  # displaced by six of 20: 20 / 26 and 14 / 20
        ((60,), 0, 3, 1),
    ],
)
def test_predicted_cells_are_matched_by_overlap(
    predicted: tuple[int, ...], found: int, missed: int, made_up: int
) -> None:
    matches = match_cells(strips(*predicted), strips(20, 20, 20), EVERYWHERE)
    assert matches == CellMatches(found=found, missed=missed, made_up=made_up)


def test_cells_that_the_area_cuts_off_are_not_held_against_a_prediction() -> None:
    area = EVERYWHERE.copy()
    area[:, 46:] = False  # six of 20 columns of the last cell remain
    assert match_cells(strips(20, 26, 14), strips(20, 20, 20), area) == CellMatches(
        found=2, missed=0, made_up=0
    )
    # A cell that is the expert's counts for it, wherever it goes on outside.
    area[:, 40:] = False
    assert match_cells(strips(20, 40), strips(20, 20, 20), area) == CellMatches(
        found=2, missed=0, made_up=0
    )


def test_f1_weighs_missed_and_made_up_cells_alike() -> None:
    assert CellMatches(found=6, missed=2, made_up=4).f1 == pytest.approx(12 / 18)
    assert CellMatches(found=0, missed=0, made_up=0).f1 == 0
    assert CellMatches(found=5, missed=0, made_up=0).f1 == 1


@pytest.mark.parametrize(
    ("predicted", "found", "missed", "made_up"),
    [
        ((20, 20, 20), 3, 0, 0),
        ((40, 20), 1, 2, 1),  # two centres in one cell: neither is found
        ((15, 5, 20, 20), 3, 0, 1),  # a cell without a centre
        ((60,), 0, 3, 1),
        ((10, 10, 20, 10, 10), 3, 0, 2),
    ],
)
def test_a_cell_is_found_by_one_centre_in_it(
    predicted: tuple[int, ...], found: int, missed: int, made_up: int
) -> None:
    centres = np.array([10, 10, 10]), np.array([9, 29, 49])
    matches = match_centres(strips(*predicted), centres, EVERYWHERE)
    assert matches == CellMatches(found=found, missed=missed, made_up=made_up)


def test_a_cell_without_a_centre_is_only_wrong_where_cells_were_counted() -> None:
    centres = np.array([10, 10]), np.array([9, 29])
    for edge, made_up in ((60, 1), (55, 1), (54, 0), (40, 0)):  # 15 of the last 20 columns are needed
        region = EVERYWHERE.copy()
        region[:, edge:] = False
        assert match_centres(strips(20, 20, 20), centres, region).made_up == made_up


def test_density_counts_a_cell_that_the_edge_cuts_by_its_share() -> None:
    cells = strips(20, 20, 10, 10)
    assert density_within(cells, EVERYWHERE) == pytest.approx(4 / 1200)
    region = EVERYWHERE.copy()
    region[:, 45:] = False  # two cells and half of the third, in 45 columns
    assert density_within(cells, region) == pytest.approx(2.5 / 900)


def test_density_of_hexagons_is_one_over_their_area_wherever_the_edge_runs() -> None:
    cells = nearest_site(hexagon_sites(20.0, 160, 160), 160, 160)
    rows, columns = np.indices(cells.shape)
    for row, column, radius in ((80, 80, 50), (75, 83, 41), (90, 70, 33)):
        region = np.hypot(rows - row, columns - column) < radius
        assert density_within(cells, region) == pytest.approx(1 / (20**2 * np.sqrt(0.75)), rel=0.01)
