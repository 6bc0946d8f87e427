"""Requested against measured: what mosaics drawn for given parameters turn out to have."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from endotwin.generator.latents import draw_normals
from endotwin.image_range import IMAGE_SIZE, ImageRange
from endotwin.mosaic.calibration import reachable_hexagonality, shape_for
from endotwin.mosaic.drawing import GRID, LATTICE_NUMBERS, SITE_NUMBERS, draw_mosaic
from endotwin.mosaic.morphometry import measure_mosaics
from endotwin.mosaic.parameters import CV, DEFAULT_PIXEL_SIZE, DENSITY, HEXAGONALITY

DENSITIES = (DENSITY[0], 1500.0, 3000.0, DENSITY[1])
CVS = (CV[0], 0.30, 0.45, CV[1])
HEXAGONALITIES = 4
"""Values of hexagonality per cv: the least that is reachable, the greatest, and between them."""

DENSITY_LIMIT, CV_LIMIT, HEXAGONALITY_LIMIT = 0.025, 0.057, 0.057
"""Relative errors of the best segmenters of clinical images, which mosaics are held to."""


@dataclass(frozen=True)
class Combination:
    """Parameters of a mosaic.

    Attributes:
        density: cells per mm².
        cv: coefficient of variation of the cells' areas.
        hexagonality: share of cells with six neighbours.
    """

    density: float
    cv: float
    hexagonality: float


@dataclass(frozen=True)
class MeasuredCombination:
    """What was asked of mosaics and what was measured on all of their cells together.

    Attributes:
        requested: what was asked.
        measured: what came out.
        cells: how many cells were measured.
    """

    requested: Combination
    measured: Combination
    cells: int

    @property
    def deviations(self) -> Combination:
        """By how much each parameter is beyond what was asked, relative to it."""
        asked, found = self.requested, self.measured
        return Combination(
            found.density / asked.density - 1.0,
            found.cv / asked.cv - 1.0,
            found.hexagonality / asked.hexagonality - 1.0,
        )


def combinations() -> Iterator[Combination]:
    """Go through the whole range: densities, cvs, and for each cv the hexagonalities that go with it."""
    for density, cv in itertools.product(DENSITIES, CVS):
        least, greatest = reachable_hexagonality(cv)
        for hexagonality in np.linspace(least, min(greatest, HEXAGONALITY[1]), HEXAGONALITIES):
            yield Combination(density, cv, float(hexagonality))


def measure_combination(requested: Combination, images: int, seed: int) -> MeasuredCombination:
    """Draw mosaics and measure them.

    Args:
        requested: what to draw them with, at the default pixel size.
        images: how many images.
        seed: of their random numbers.
    """
    area = 1e6 / (requested.density * DEFAULT_PIXEL_SIZE**2)
    shape = shape_for(area, requested.cv, requested.hexagonality)
    draws = draw_normals(ImageRange(seed, 0, images), LATTICE_NUMBERS + GRID * GRID * SITE_NUMBERS)
    lattice, sites = np.split(draws, [LATTICE_NUMBERS], axis=1)
    found = measure_mosaics(
        [draw_mosaic(lattice[k], sites[k].reshape(-1, SITE_NUMBERS), shape) for k in range(images)]
    )
    square_millimetres = images * (IMAGE_SIZE * DEFAULT_PIXEL_SIZE / 1000.0) ** 2
    return MeasuredCombination(
        requested, Combination(found.count / square_millimetres, found.cv, found.hexagonality), found.count
    )
