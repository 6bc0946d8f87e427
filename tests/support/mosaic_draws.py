"""Random numbers for mosaics, as an image's row of draws has them."""

from __future__ import annotations

import numpy as np

from endotwin.generator.latents import draw_normals
from endotwin.image_range import ImageRange
from endotwin.mosaic.calibration import shape_for
from endotwin.mosaic.drawing import GRID, LATTICE_NUMBERS, SITE_NUMBERS, Mosaic, MosaicShape, draw_mosaic
from endotwin.mosaic.parameters import ClarityPopulation, Conditions, ImagePopulation, Range
from endotwin.mosaic.scene import SCENE_NUMBERS, Scene, draw_scene

POPULATION = ImagePopulation()
CLARITY_POPULATION = ClarityPopulation()


def fixed(value: float) -> Range:
    """Return the range of one value."""
    return Range(low=value, high=value)


def draw_scenes(seed: int, count: int, conditions: Conditions | None = None) -> list[Scene]:
    """Draw scenes 0 to count - 1 of a seed."""
    conditions = conditions or Conditions()
    return [
        draw_scene(row, conditions, POPULATION, CLARITY_POPULATION)
        for row in draw_normals(ImageRange(seed, 0, count), SCENE_NUMBERS)
    ]


def draw_mosaics(seed: int, count: int, shape: MosaicShape) -> list[Mosaic]:
    """Draw mosaics of one shape."""
    rows = draw_normals(ImageRange(seed, 0, count), LATTICE_NUMBERS + GRID * GRID * SITE_NUMBERS)
    return [
        draw_mosaic(row[:LATTICE_NUMBERS], row[LATTICE_NUMBERS:].reshape(-1, SITE_NUMBERS), shape)
        for row in rows
    ]


def mosaics_with(seed: int, count: int, area: float, cv: float, hexagonality: float) -> list[Mosaic]:
    """Draw mosaics of a mean cell area, in square pixels, a cv and a hexagonality."""
    return draw_mosaics(seed, count, shape_for(area, cv, hexagonality))


def no_numbers() -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of a lattice and of sites that change nothing: all zero."""
    return np.zeros(LATTICE_NUMBERS, np.float32), np.zeros((GRID * GRID, SITE_NUMBERS), np.float32)
