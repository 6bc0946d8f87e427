"""Masks of other tools, read as cells; where their borders are rendered."""

from __future__ import annotations

import re

import numpy as np
import pytest
from mosaic_draws import fixed

from endotwin.generator.latents import draw_normals
from endotwin.image_range import IMAGE_SIZE, MAX_INDEX, ImageRange
from endotwin.mosaic.mask_scene import mosaic_of_mask
from endotwin.mosaic.own_masks import BorderColour, CellMask, MaskError, read_borders, read_instances
from endotwin.mosaic.parameters import Conditions, ImagePopulation
from endotwin.mosaic.pixels import label_pieces
from endotwin.mosaic.scene import SCENE_NUMBERS, Scene, draw_scene


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    asked = Conditions(density=fixed(2000), guttae=fixed(0))
    numbers = draw_normals(ImageRange(5, 0, 4), SCENE_NUMBERS)
    return [draw_scene(row, asked, ImagePopulation(), None) for row in numbers]


def grid(width: int = 1, step: int = 20) -> np.ndarray:
    """Return borders of square cells: bool (128, 128)."""
    mask = np.zeros((IMAGE_SIZE, IMAGE_SIZE), dtype=bool)
    for at in range(step, IMAGE_SIZE - width, step):
        mask[at : at + width] = mask[:, at : at + width] = True
    return mask


def same_cells(one: CellMask, other: CellMask) -> bool:
    return np.array_equal(one.cells, other.cells) and one.index == other.index


def test_borders_are_read_however_they_are_saved(scenes: list[Scene]) -> None:
    borders = scenes[0].label().borders
    read = read_borders(borders)
    variants = [255 - borders, borders > 0, (borders > 0).astype(np.uint8), borders.astype(np.uint16) * 257]
    variants += [np.where(borders > 0, 10, 200), np.where(borders > 0, -1, 1)]
    for variant in variants:
        assert same_cells(read_borders(variant), read)
    assert same_cells(read_borders(borders, BorderColour.WHITE), read)
    assert 0 <= read.index <= MAX_INDEX
    assert read.index != read_borders(np.roll(borders, 1, axis=1)).index
    assert read.ids.tolist() == list(range(len(read.ids)))


@pytest.mark.parametrize("width", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("step", [20, 41])
def test_the_colour_of_borders_is_found(width: int, step: int) -> None:
    mask = grid(width, step)
    for shown in (mask, ~mask):
        assert same_cells(read_borders(shown), read_borders(mask, BorderColour.WHITE))


def test_cells_are_what_diagonal_lines_divide() -> None:
    mask = np.eye(IMAGE_SIZE, dtype=bool) | np.eye(IMAGE_SIZE, dtype=bool)[::-1]
    assert len(read_borders(mask).ids) == 5


def test_specks_are_no_cells_and_ends_of_lines_divide_nothing() -> None:
    mask = grid()
    mask[30:33, 30:33], mask[31, 31] = True, False
    mask[50, 41:50] = True
    read = read_borders(mask)
    assert len(read.ids) == len(read_borders(grid()).ids)


def test_an_instance_map_is_the_mask_of_the_same_cells(scenes: list[Scene]) -> None:
    label = scenes[0].label()
    assert read_instances(label.instances).index == read_borders(label.borders).index
    numbered = read_instances(label.instances * np.uint16(3))
    assert same_cells(numbered, read_instances(label.instances))
    assert set(numbered.ids[1:].tolist()) <= {3 * cell.id for cell in label.cells}
    kept = numbered.cells > 0  # what the edge leaves less than eight pixels of is no cell
    assert kept.sum() > 0.99 * (label.instances > 0).sum()
    assert np.array_equal(numbered.ids[numbered.cells][kept], label.instances[kept] * 3)


def test_touching_cells_of_one_id_in_pieces_are_cells() -> None:
    halves = np.ones((IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint8)
    halves[:, 64:] = 9
    halves[:20, :20] = 9
    read = read_instances(halves)
    assert read.ids.tolist() == [0, 9, 1, 9]
    mosaic = mosaic_of_mask(read)
    assert sorted(np.unique(mosaic.instances).tolist()) == [0, 1, 9]


def test_an_area_without_cells_is_bounded_and_is_no_cell() -> None:
    cells = np.zeros((IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint16)
    cells[10:60, 10:40], cells[10:60, 41:70] = 5, 6
    mosaic = mosaic_of_mask(read_instances(cells))
    assert mosaic.cells == 2
    assert mosaic.instances[100, 100] == 0
    assert mosaic.borders[100, 100] == 0
    assert label_pieces(mosaic.borders == 0)[1] == 3
    assert np.mean((mosaic.instances == 5) == (cells == 5)) > 0.98


RAMP = np.arange(IMAGE_SIZE**2).reshape(IMAGE_SIZE, -1)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((256, 128), np.uint8), "it has 128 × 256 pixels; masks have 128 × 128"),
        (np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.uint8), "it shows no cell: all of it has one grey level"),
        (RAMP % 200, "it has 200 grey levels, borders have two: save them without smoothing"),
        (RAMP // 8192, "it does not show which of its two grey levels borders have; say if they are"),
        (grid(1, 64) & (RAMP % IMAGE_SIZE < 64), "it shows one cell and no border"),
        (grid(1, 4), "cells; 576 are the most"),
    ],
)
def test_other_borders_are_refused_with_the_reason(mask: np.ndarray, message: str) -> None:
    with pytest.raises(MaskError, match=re.escape(message)):
        read_borders(mask)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((64, 64), np.uint8), "it has 64 × 64 pixels"),
        (np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.uint8), "it shows no cell"),
        (np.ones((IMAGE_SIZE, IMAGE_SIZE), np.uint16), "it shows one cell and no border"),
        (RAMP / 7.0, "an instance map holds whole numbers from 0 on, got float64"),
        (RAMP - 5, "an instance map holds whole numbers from 0 on, got int64"),
        (RAMP * 70, "ids of cells go up to 65535, got 1146810"),
        (RAMP % 200, "its 200 numbers are in 16302 pieces: borders that were smoothed are no instance map"),
    ],
)
def test_other_instance_maps_are_refused_with_the_reason(mask: np.ndarray, message: str) -> None:
    with pytest.raises(MaskError, match=re.escape(message)):
        read_instances(mask)


def test_borders_are_rendered_where_the_mask_has_them(scenes: list[Scene]) -> None:
    for scene in scenes:
        label = scene.label()
        mosaic = mosaic_of_mask(read_borders(label.borders))
        drawn, rendered = label.borders > 0, mosaic.borders > 0
        assert np.mean(rendered[drawn]) > 0.95
        inside = np.s_[4:-4, 4:-4]  # where the nearest border is in the image
        beyond = np.abs(mosaic.raster.border - scene.raster.border)[inside]
        near = scene.raster.border[inside] < 3.0
        assert beyond[near].mean() < 0.15
        assert np.quantile(beyond[near], 0.99) < 0.6
        assert mosaic.cells == pytest.approx(len(label.cells), abs=3)
        assert mosaic.mean_area == pytest.approx(scene.parameters.cell_area, rel=0.2)


@pytest.mark.parametrize("width", [1, 3, 5, 7])
def test_a_wide_border_is_rendered_in_its_middle(width: int) -> None:
    mosaic = mosaic_of_mask(read_borders(grid(width, 40), BorderColour.WHITE))
    middle = 40 + width / 2
    row = mosaic.raster.border[20]
    expected = np.abs(np.arange(IMAGE_SIZE) + 0.5 - middle)
    near = expected < 10
    np.testing.assert_allclose(row[near], expected[near], atol=0.11)
    assert np.flatnonzero(mosaic.borders[20])[0] == 40 + width // 2


def test_cells_that_touch_have_the_border_between_their_pixels() -> None:
    halves = np.ones((IMAGE_SIZE, IMAGE_SIZE), dtype=np.uint8)
    halves[:, 64:] = 2
    mosaic = mosaic_of_mask(read_instances(halves))
    np.testing.assert_allclose(mosaic.raster.border[5], np.abs(np.arange(IMAGE_SIZE) + 0.5 - 64), atol=0.11)


def test_whole_cells_are_measured() -> None:
    mosaic = mosaic_of_mask(read_borders(grid(1, 20)))
    assert (mosaic.cells, mosaic.whole.count) == (49, 25)
    assert mosaic.whole.mean_area == pytest.approx(400.0, rel=0.02)
    assert mosaic.whole.cv == pytest.approx(0.0, abs=0.02)
    assert mosaic.whole.hexagonality == 0.0
    assert mosaic.mean_area == pytest.approx(IMAGE_SIZE**2 / 37, rel=0.01)
