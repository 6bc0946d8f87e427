"""What is cut off: panels, text, frames; and what is not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawn_mosaics import mosaic
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from training.curation.clean_field import Box, find_clean_field, flatten_illumination, largest_clean_box
from training.curation.image_files import DecodedImage
from training.curation.thresholds import read_thresholds

CUTTING = read_thresholds().cutting


@given(st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1, max_size=6))
def test_the_box_is_the_largest_of_all(blocks: list[list[bool]]) -> None:
    grid = np.array(blocks)
    dirty = grid.repeat(4, axis=0).repeat(4, axis=1)
    box = largest_clean_box(dirty)
    assert not box.cut(dirty).any()
    rows, columns = grid.shape
    areas = [
        (bottom - top) * (right - left) * 16
        for top in range(rows)
        for bottom in range(top + 1, rows + 1)
        for left in range(columns)
        for right in range(left + 1, columns + 1)
        if not grid[top:bottom, left:right].any()
    ]
    assert box.area == max(areas, default=0)


def test_a_clean_image_is_left_whole() -> None:
    field = find_clean_field(DecodedImage(mosaic(0, 203, 301), None), CUTTING)
    assert field.box == Box(0, 0, 301, 203)
    assert field.found == {}


@pytest.mark.parametrize("level", [0, 90, 128, 236, 255])
def test_a_panel_is_cut_off(level: int) -> None:
    pixels = mosaic(0, 256, 400)
    pixels[:, 280:] = level
    box = find_clean_field(DecodedImage(pixels, None), CUTTING).box
    assert (box.left, box.top, box.bottom) == (0, 0, 256)
    assert 264 <= box.right <= 280


def test_text_inside_the_image_is_cut_off() -> None:
    image = Image.fromarray(mosaic(0))
    ImageDraw.Draw(image).text((6, 220), "OD 12 mm", fill=255, font=ImageFont.load_default(20))
    box = find_clean_field(DecodedImage(np.asarray(image), None), CUTTING).box
    assert box.bottom <= 226
    assert box.area >= 0.8 * 256 * 256


def test_coloured_drawings_are_cut_off() -> None:
    grey = mosaic(0)
    chroma = np.zeros_like(grey)
    chroma[100:110] = 120
    field = find_clean_field(DecodedImage(grey, chroma), CUTTING)
    assert field.box.top >= 110
    assert set(field.found) == {"coloured"}


@pytest.mark.parametrize("turn", range(4))
def test_a_frame_is_cut_off(turn: int) -> None:
    pixels = mosaic(0)
    pixels[:9] = np.random.default_rng(0).integers(0, 12, (9, 256))  # not flat, as after JPEG
    box = find_clean_field(DecodedImage(np.rot90(pixels, turn).copy(), None), CUTTING).box
    side = (box.top, box.left, 256 - box.bottom, 256 - box.right)[turn]
    assert 9 <= side <= 20
    assert box.area == (256 - side) * 256


def test_a_narrow_frame_of_the_image_s_own_level_is_cut_off() -> None:
    pixels = mosaic(0)
    pixels[:, 250:] = round(float(pixels.mean()))
    box = find_clean_field(DecodedImage(pixels, None), CUTTING).box
    assert (box.left, box.top, box.right, box.bottom) == (0, 0, 248, 256)


def test_glare_that_fades_out_is_left_in() -> None:
    y, x = np.mgrid[:256, :256]
    glare = 300 * np.exp(-((np.hypot(y - 128, x - 20) / 60) ** 2))
    pixels = np.clip(mosaic(0) + glare, 0, 255).astype(np.uint8)
    assert (pixels == 255).mean() > 0.05
    assert find_clean_field(DecodedImage(pixels, None), CUTTING).box.area == 256 * 256


def with_band(level: float = 205.0) -> np.ndarray:
    """Return a mosaic with a slanted saturated band at its left and a black frame with two ticks."""
    y, x = np.mgrid[:477, :260]
    edge = 70 + 20 * np.sin(y / 150)
    pixels = mosaic(0, 477, 260).astype(float)
    pixels = level + (pixels - level) / (1 + np.exp((edge - x) / 4))
    pixels += np.random.default_rng(0).normal(0, 1.5, pixels.shape)
    pixels[:, :8] = pixels[:, -6:] = 3
    pixels[130:134, -4:] = pixels[280:284, -4:] = 60
    return np.clip(np.round(pixels), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("level", [205.0, 255.0])
@pytest.mark.parametrize("turn", range(4))
def test_a_saturated_band_and_a_black_frame_are_cut_off(level: float, turn: int) -> None:
    turned = np.rot90(with_band(level), turn).copy()
    field = find_clean_field(DecodedImage(turned, None), CUTTING)
    box = np.rot90(np.ones((477, 260), dtype=bool), turn) & False
    box[field.box.top : field.box.bottom, field.box.left : field.box.right] = True
    upright = np.rot90(box, -turn)
    columns = np.flatnonzero(upright.any(axis=0))
    assert 70 <= columns[0] <= 92  # the band ends between 50 and 90: a wedge of it may stay
    assert 250 <= columns[-1] + 1 <= 254
    assert upright.any(axis=1).sum() >= 468
    assert 0.2 < field.found["band"] < 0.4
    # As if the band were clean: the field reaches to the frame.
    assert field.with_bands.area > field.box.area * 1.2


def test_cells_in_bright_light_are_no_band() -> None:
    pixels = np.clip(mosaic(0, 256, 256).astype(int) + 90, 0, 255).astype(np.uint8)
    assert pixels.mean() > 190
    assert find_clean_field(DecodedImage(pixels, None), CUTTING).box.area == 256 * 256


def test_a_field_beside_a_wide_band_is_widened_to_a_training_crop() -> None:
    dirty = np.zeros((300, 260), dtype=bool)
    dirty[:, :20] = True
    band = np.zeros_like(dirty)
    band[:, 20:180] = True
    assert largest_clean_box(dirty, band) == Box(132, 0, 260, 300)
    dirty[:, 140:180] = True  # something to cut stands in the way
    assert largest_clean_box(dirty, band) == Box(180, 0, 260, 300)


def test_a_wedge_of_a_band_costs_less_than_the_cells_beside_it() -> None:
    y, x = np.mgrid[:400, :400]
    band = x < y / 4
    box = largest_clean_box(np.zeros_like(band), band)
    # Kept are whole columns; at x, the rows above 4 x are worth 1 each and those below cost 3 each.
    assert (box.top, box.right, box.bottom) == (0, 400, 400)
    assert box.left == pytest.approx(400 / 4 * 3 / 4, abs=4)


def test_dark_cell_borders_are_no_overlay() -> None:
    pixels = mosaic(0, 400, 400, 24.0).astype(float)
    inner = np.zeros_like(pixels)
    inner[60:-60, 60:-60] = 3.5
    deep = np.clip(135 + (pixels - 135) * (1 + inner), 0, 255).astype(np.uint8)
    steps = cv2.morphologyEx(deep, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) >= CUTTING.stroke_step
    assert steps.sum() > 100
    assert find_clean_field(DecodedImage(deep, None), CUTTING).box.area >= 0.95 * deep.size


def test_a_reflex_that_fades_on_one_side_is_no_overlay() -> None:
    pixels = mosaic(0).astype(float)
    y, x = np.mgrid[:256, :256]
    reflex = np.where(x >= 100, 160 * np.exp(-(x - 100) / 12.0), 0) * np.exp(-(((y - 128) / 12) ** 2))
    pixels = np.clip(pixels + reflex, 0, 255).astype(np.uint8)
    assert np.abs(np.diff(pixels[128].astype(int))).max() > 105
    assert find_clean_field(DecodedImage(pixels, None), CUTTING).box.area == 256 * 256


def test_a_speck_alone_is_left_in_and_letters_are_not() -> None:
    speck = mosaic(0)
    speck[100:107, 100:107] = 255
    assert find_clean_field(DecodedImage(speck, None), CUTTING).box.area == 256 * 256
    letters = speck.copy()
    letters[100:107, 112:119] = letters[100:107, 124:131] = 255
    assert find_clean_field(DecodedImage(letters, None), CUTTING).box.area < 0.7 * 256 * 256


def test_a_box_grows_with_the_image_and_reaches_its_edge() -> None:
    assert Box(1, 2, 3, 4).scaled(3, 100, 100) == Box(3, 6, 9, 12)
    assert Box(0, 0, 33, 33).scaled(3, 101, 100) == Box(0, 0, 101, 100)


def test_flattening_takes_a_drift_out_and_keeps_the_cells() -> None:
    cells = mosaic(0).astype(float)
    drift = np.linspace(-50, 50, 256)
    flat = flatten_illumination(np.clip(cells + drift, 0, 255).astype(np.uint8)).astype(float)
    assert flat.mean() == pytest.approx(cells.mean(), abs=1)
    middle = np.s_[40:-40, 40:-40]
    assert np.ptp(flat[middle].mean(axis=0)[::20]) < 20
    assert np.corrcoef(flat[middle].ravel(), cells[middle].ravel())[0, 1] > 0.95
