"""Where borders stand out: the contrast by hand, and images whose borders nobody could draw."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mosaic_draws import draw_scenes

from endotwin.mosaic.contrast import borders_stand_out
from endotwin.mosaic.labels import Label

LINES = np.tile(np.arange(64) % 8 == 0, (64, 1))
AREA = 300.0


def lines(depth: float, sd: float, seed: int = 0) -> np.ndarray:
    """Return dark lines in cells whose levels are `sd` above or below their mean, half of them each."""
    signs = np.where(np.indices((64, 64)).sum(axis=0) % 2, sd, -sd)
    return np.round(128 + np.where(LINES, -depth, signs)).astype(np.uint8)


@pytest.mark.parametrize("sd", [10, 30])
def test_contrast_counts_in_units_of_the_noise(sd: int) -> None:
    least = sd * math.sqrt(2 / 7)
    assert borders_stand_out(lines(math.ceil(least) + 1, sd), LINES, ~LINES, AREA).all()
    assert not borders_stand_out(lines(math.floor(least) - 1, sd), LINES, ~LINES, AREA).any()


def test_light_borders_are_not_what_experts_draw() -> None:
    assert not borders_stand_out(lines(-100, 10), LINES, ~LINES, AREA).any()


def test_it_is_known_place_by_place() -> None:
    image = np.where(np.arange(64) < 32, lines(60, 10), lines(0, 10)).astype(np.uint8)
    found = borders_stand_out(image, LINES, ~LINES, AREA)
    assert found[:, :18].all()
    assert not found[:, 46:].any()


def test_where_there_is_nothing_to_compare_nothing_is_said() -> None:
    nothing = np.zeros_like(LINES)
    assert borders_stand_out(lines(0, 10), nothing, ~LINES, AREA).all()
    assert borders_stand_out(lines(0, 10), LINES, nothing, AREA).all()


@pytest.mark.parametrize(("depth", "least", "most"), [(2.0, 0.0, 0.05), (40.0, 0.9, 1.0)])
def test_in_haze_cells_are_not_visible(depth: float, least: float, most: float) -> None:
    shares = []
    for scene in draw_scenes(5, 4):
        noise = np.random.default_rng(5).normal(0.0, 8.0, scene.raster.border.shape)
        levels = 140.0 - depth * np.exp(-0.5 * scene.raster.border**2) + noise
        label: Label = scene.label(np.clip(levels, 0, 255).astype(np.uint8))
        shares.append((label.visible > 0)[label.guttae == 0].mean())
    assert least <= np.mean(shares) <= most
