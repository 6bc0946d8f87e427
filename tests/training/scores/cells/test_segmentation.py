"""Cells found without a network: on mosaics of known cells, at every size, and on images without any."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from made_up_cells import mosaic

from endotwin.mosaic.morphometry import Morphometry
from training.data.sources import Sources
from training.data.split import ImageFolder
from training.scores.cells.error import expert_error, read_experts
from training.scores.cells.segmentation import (
    area_quantiles,
    cell_side,
    cells_from_image,
    join_cells,
    whole_cells,
)

HEXAGON = math.sqrt(0.75)
"""Area of a hexagon of a lattice of spacing 1."""


@pytest.mark.parametrize("spacing", [14.0, 20.0, 30.0, 42.0])
def test_a_lattice_of_hexagons_has_its_size_no_variation_and_six_neighbours(spacing: float) -> None:
    picture, known = mosaic(1, 260, 300, spacing=spacing, jitter=0.0)
    assert cell_side(picture) == pytest.approx(spacing * math.sqrt(HEXAGON), rel=0.12)
    found = whole_cells(cells_from_image(picture))
    exact = whole_cells(known)
    assert found.measure().density(10_000) == pytest.approx(10_000 / (HEXAGON * spacing**2), rel=0.02)
    assert 0.8 * len(exact.areas) < len(found.areas) <= len(exact.areas)  # some at the edge reach it
    assert found.measure().cv < 0.08
    assert found.measure().hexagonality > 0.95


@pytest.mark.parametrize("seed", range(3))
def test_a_disordered_mosaic_has_nearly_its_numbers(seed: int) -> None:
    picture, known = mosaic(seed, 380, 380, jitter=0.15)
    found, exact = whole_cells(cells_from_image(picture)), whole_cells(known)
    assert found.measure().density(10_000) == pytest.approx(exact.measure().density(10_000), rel=0.03)
    assert found.measure().cv == pytest.approx(exact.measure().cv, abs=0.03)
    assert found.measure().hexagonality == pytest.approx(exact.measure().hexagonality, abs=0.06)


def test_an_enlarged_image_has_the_same_cells_enlarged() -> None:
    """The lattice drawn at twice the size: areas are four times as large, the rest stays."""
    small, large = (
        whole_cells(cells_from_image(mosaic(4, size, size, spacing=spacing, jitter=0.15, angle=0.3)[0]))
        for size, spacing in ((200, 16.0), (400, 32.0))
    )
    assert 4 * large.measure().density(10_000) == pytest.approx(small.measure().density(10_000), rel=0.04)
    assert large.measure().cv == pytest.approx(small.measure().cv, abs=0.03)
    assert large.measure().hexagonality == pytest.approx(small.measure().hexagonality, abs=0.08)


def test_brightness_and_contrast_change_no_number_by_much() -> None:
    picture, _ = mosaic(5, 200, 200, jitter=0.15)
    across = np.linspace(0.5, 1.0, 200)
    darker = (picture * across).astype(np.uint8)
    found, other = whole_cells(cells_from_image(picture)), whole_cells(cells_from_image(darker))
    assert other.measure().density(10_000) == pytest.approx(found.measure().density(10_000), rel=0.03)


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((128, 128)),
        np.full((128, 128), 255.0),
        np.tile(np.linspace(40, 200, 128), (128, 1)),
    ],
    ids=["black", "white", "gradient"],
)
def test_images_without_cells_have_none(picture: np.ndarray) -> None:
    cells = cells_from_image(picture.astype(np.uint8))
    assert not cells.any()
    found = whole_cells(cells)
    assert len(found.areas) == 0
    assert found.measure() == Morphometry(0, None, None, None)
    assert found.measure().density(10_000) is None
    assert area_quantiles(found, (0, 50)) == {}


def test_whole_cells_of_a_drawing_by_hand() -> None:
    """Bricks of 10 × 20 half over half: inner ones have six neighbours, weights follow from their box."""
    rows, columns = np.mgrid[:60, :100]
    row = rows // 10
    bricks = np.unique(row * 100 + (columns + 10 * (row % 2)) // 20, return_inverse=True)[1]
    found = whole_cells(bricks.reshape(60, 100).astype(np.int32) + 1)
    assert found.areas.tolist() == [200.0] * len(found.areas)
    assert len(found.areas) == 2 * 4 + 2 * 3
    assert found.measure().hexagonality == 1.0
    assert np.allclose(found.weights, 1 / ((60 - 1 - 10) * (100 - 1 - 20)))


def test_weights_undo_that_large_cells_are_cut_more_often() -> None:
    """In small crops few large cells are whole; weighted, they count as in the whole mosaic."""
    _, known = mosaic(6, 1200, 1200, jitter=0.35, spacing=36.0)
    exact = whole_cells(known)
    crops = join_cells(
        [
            whole_cells(
                np.unique(known[y : y + 128, x : x + 128], return_inverse=True)[1].astype(np.int32) + 1
            )
            for y in range(0, 1060, 53)
            for x in range(0, 1060, 53)
        ]
    )
    plain = 10_000 / crops.areas.mean()
    assert crops.measure().density(10_000) == pytest.approx(exact.measure().density(10_000), rel=0.02)
    assert abs(plain / exact.measure().density(10_000) - 1) > 0.03
    assert crops.measure().cv == pytest.approx(exact.measure().cv, rel=0.05)


def test_the_error_on_expert_borders_is_as_documented(real_data: Path) -> None:
    experts = read_experts(Sources((ImageFolder(real_data / "gavet"),)))
    assert len(experts) == 20
    error = expert_error(experts[1::4])
    assert error.images == 5
    assert error.density is not None
    assert error.cv is not None
    assert error.hexagonality is not None
    assert error.density.median_size < 0.10
    assert error.cv.median_size < 0.25
    assert error.hexagonality.median_size < 0.25
