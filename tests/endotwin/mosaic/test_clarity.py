"""Clarity has a closed form on images whose borders have a known depth."""

from __future__ import annotations

import numpy as np
import pytest

from endotwin.mosaic.clarity import INSIDE, ON_BORDER, clarity_weights, measure_clarity

NOTHING_HIDDEN = np.zeros((96, 128), dtype=bool)


def distances(spacing: float) -> np.ndarray:
    """Return the distance to the nearest of straight borders across an image, (96, 128)."""
    x = np.arange(128) % spacing
    return np.tile(np.minimum(x, spacing - x), (96, 1)).astype(np.float32)


def light() -> np.ndarray:
    """Return a quadratic in the coordinates, some 60 grey levels wide, (96, 128)."""
    y, x = np.mgrid[-1:1:96j, -1:1:128j]
    field: np.ndarray = 120.0 + 20.0 * x - 15.0 * y + 12.0 * x * y - 9.0 * x * x + 4.0 * y * y
    return field


@pytest.mark.parametrize("depth", [0.0, 7.5, 31.0, -4.0])
@pytest.mark.parametrize("spacing", [12.0, 40.0])
def test_the_depth_of_borders_under_any_light(depth: float, spacing: float) -> None:
    border = distances(spacing)
    image = light() - depth * (border <= ON_BORDER)
    assert measure_clarity(image, clarity_weights(border, NOTHING_HIDDEN)) == pytest.approx(depth, abs=1e-4)


def test_what_is_neither_border_nor_inside_does_not_count() -> None:
    border = distances(24.0)
    between = (border > ON_BORDER) & (border < INSIDE)
    image = light() - 10.0 * (border <= ON_BORDER) - 99.0 * between
    assert measure_clarity(image, clarity_weights(border, NOTHING_HIDDEN)) == pytest.approx(10.0, abs=1e-4)


def test_what_is_hidden_does_not_count() -> None:
    border = distances(24.0)
    hidden = np.zeros_like(NOTHING_HIDDEN)
    hidden[20:60, 30:90] = True
    image = np.where(hidden, 255.0 - 80.0 * (border <= ON_BORDER), light() - 10.0 * (border <= ON_BORDER))
    assert measure_clarity(image, clarity_weights(border, hidden)) == pytest.approx(10.0, abs=1e-4)


def test_it_is_a_weighted_sum_that_light_does_not_change() -> None:
    weights = clarity_weights(distances(24.0), NOTHING_HIDDEN)
    assert weights is not None
    assert float((weights * light()).sum()) == pytest.approx(0.0, abs=1e-3)
    assert float(weights[distances(24.0) <= ON_BORDER].sum()) == pytest.approx(-1.0, abs=1e-4)


def test_without_a_visible_border_there_is_nothing_to_measure() -> None:
    assert measure_clarity(light(), clarity_weights(np.full((96, 128), 9.0), NOTHING_HIDDEN)) is None
    assert measure_clarity(light(), clarity_weights(distances(24.0), ~NOTHING_HIDDEN)) is None
