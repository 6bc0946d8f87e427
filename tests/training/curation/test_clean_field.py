"""What is cut off: panels, text, frames; and what is not."""

from __future__ import annotations

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
