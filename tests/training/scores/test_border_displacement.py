"""The distance between a drawn line and its label, on pictures whose distance is known."""

from __future__ import annotations

import numpy as np
import pytest

from training.scores.border_displacement import PROFILE_REACH, border_displacements


def lines(offset: float, *, angle: float = 0.0, size: int = 96) -> np.ndarray:
    """Return float (size, size), distance to parallel lines 24 pixels apart, moved across by `offset`."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float64)
    across = np.cos(angle) * x + np.sin(angle) * y - offset
    return np.abs((across + 12.0) % 24.0 - 12.0)


def label(angle: float) -> tuple[np.ndarray, np.ndarray]:
    away = lines(0.0, angle=angle)
    soft = np.round(255 * np.exp(-0.5 * (away / 1.5) ** 2)).astype(np.uint8)
    return soft, np.where(away <= 0.5, 255, 0).astype(np.uint8)


def picture(offset: float, angle: float) -> np.ndarray:
    return np.round(180 - 80 * np.exp(-0.5 * (lines(offset, angle=angle) / 1.5) ** 2)).astype(np.uint8)


@pytest.mark.parametrize("angle", [0.0, np.pi / 2, 0.5, -0.7])
@pytest.mark.parametrize("offset", [0.0, 1.0, -2.0, 3.0])
def test_a_line_that_was_moved_is_found_where_it_is(offset: float, angle: float) -> None:
    found = border_displacements(picture(offset, angle), *label(angle))
    assert len(found) > 100
    assert np.median(found) == pytest.approx(abs(offset), abs=0.3)


def test_without_a_line_the_distance_is_chance() -> None:
    noise = np.random.default_rng(0).integers(0, 256, size=(96, 96), dtype=np.uint8)
    found = border_displacements(noise, *label(0.3))
    assert np.median(found) == pytest.approx(PROFILE_REACH / 2, abs=0.7)
    assert found.min() >= 0
    assert found.max() <= PROFILE_REACH


def test_only_the_borders_that_are_given_are_measured() -> None:
    soft, borders = label(0.0)
    assert len(border_displacements(picture(0.0, 0.0), soft, np.zeros_like(borders))) == 0
