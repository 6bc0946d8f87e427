"""Everything that is drawn for one image before the renderer sees it: parameters, mosaic, guttae."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from endotwin.mosaic.calibration import shape_for
from endotwin.mosaic.clarity import clarity_weights, measure_clarity
from endotwin.mosaic.drawing import GRID, LATTICE_NUMBERS, SITE_NUMBERS, Mosaic, draw_mosaic
from endotwin.mosaic.expert_hand import Hand
from endotwin.mosaic.guttae import (
    GUTTAE_NUMBERS,
    GuttaeLook,
    draw_guttae,
    numbers_of_look,
    soften,
)
from endotwin.mosaic.labels import Label, make_label
from endotwin.mosaic.parameters import (
    CLARITY_NUMBER,
    PARAMETER_NUMBERS,
    ClarityPopulation,
    Conditions,
    ImagePopulation,
    Parameters,
    draw_parameters,
)
from endotwin.mosaic.raster import Raster, rasterise

MOSAIC_VERSION = 3
"""Raised whenever the same numbers give another scene or another label."""

SCENE_NUMBERS = PARAMETER_NUMBERS + LATTICE_NUMBERS + GRID * GRID * SITE_NUMBERS + GUTTAE_NUMBERS
"""Standard normal numbers per image."""


LOOKS = slice(3, 5)
"""Of the numbers of a site, those of the look of its cell."""

_HIDDEN = 0.02
"""Share of a gutta's depth, and of the brightness by glints, from which on a pixel counts as hidden."""


class Rendered(Protocol):
    """What the renderer has to know of a scene; a `Scene` says what each means."""

    @property
    def parameters(self) -> Parameters:
        """Of this image."""

    @property
    def raster(self) -> Raster:
        """The mosaic on the image's pixels."""

    @property
    def spacing(self) -> float:
        """Distance of the centres of neighbouring cells, in pixels."""

    @property
    def looks(self) -> np.ndarray:
        """Two numbers per cell."""

    @property
    def guttae(self) -> np.ndarray:
        """Where they are."""

    @property
    def gutta_look(self) -> GuttaeLook:
        """How they look."""

    @property
    def soft_guttae(self) -> np.ndarray:
        """The guttae with their soft edges."""

    @property
    def clarity_weights(self) -> np.ndarray | None:
        """The weights of the clarity."""


@dataclass(frozen=True)
class Scene:
    """What one image shows.

    Attributes:
        parameters: of this image.
        mosaic: of the image and a margin around it.
        raster: the mosaic on the image's pixels.
        guttae: bool (128, 128).
        gutta_look: how dark and how soft they are.
        looks: float32 (128, 128, 2), two standard normal numbers per cell.
        hand: that draws the borders of the label; None for exact ones.
    """

    parameters: Parameters
    mosaic: Mosaic
    raster: Raster
    guttae: np.ndarray
    gutta_look: GuttaeLook
    looks: np.ndarray
    hand: Hand | None = None

    def label(self, image: np.ndarray | None = None) -> Label:
        """Make the label of this scene, and of its image, uint8 (128, 128), if that is given."""
        clarity = None if image is None else measure_clarity(image, self.clarity_weights)
        drawn = self.raster if self.hand is None else rasterise(self.mosaic, self.hand.displacement())
        return make_label(self.mosaic, drawn, self.guttae, self.parameters, clarity, image)

    @property
    def spacing(self) -> float:
        """Distance of neighbouring sites of the grid that the mosaic was drawn from, in pixels."""
        return self.mosaic.shape.spacing

    @functools.cached_property
    def clarity_weights(self) -> np.ndarray | None:
        """The weights of the clarity; what guttae, their soft edges and glints cover does not count."""
        hidden = (self.soft_guttae > _HIDDEN) | (self.gutta_look.glints > _HIDDEN)
        return clarity_weights(self.raster.border, hidden)

    @functools.cached_property
    def soft_guttae(self) -> np.ndarray:
        """The guttae with their soft edges, float32 (128, 128), 0 to 1."""
        return soften(self.guttae, self.gutta_look)


def draw_scene(
    numbers: np.ndarray,
    conditions: Conditions,
    population: ImagePopulation,
    clarity: ClarityPopulation | None,
) -> Scene:
    """Draw one scene.

    Args:
        numbers: (SCENE_NUMBERS,) standard normal, float32.
        conditions: what the caller asked for.
        population: where the rest comes from.
        clarity: where an open clarity comes from; None for a model that does not set it.
    """
    ends = np.cumsum([PARAMETER_NUMBERS, LATTICE_NUMBERS, GRID * GRID * SITE_NUMBERS])
    of_parameters, lattice, flat_sites, of_guttae = np.split(numbers, ends)
    sites = flat_sites.reshape(GRID * GRID, SITE_NUMBERS)
    parameters = draw_parameters(of_parameters, conditions, population, clarity)
    shape = shape_for(parameters.cell_area, parameters.cv, parameters.hexagonality)
    mosaic = draw_mosaic(lattice, sites, shape)
    raster = rasterise(mosaic)
    guttae = draw_guttae(of_guttae, parameters.guttae, raster.owner)
    return Scene(
        parameters=parameters,
        mosaic=mosaic,
        raster=raster,
        guttae=guttae.covered,
        gutta_look=guttae.look,
        looks=sites[mosaic.table, LOOKS].take(raster.owner, axis=0),
    )


def sites_of_scene(numbers: np.ndarray) -> np.ndarray:
    """Return the numbers of the sites, (GRID * GRID, SITE_NUMBERS), among those of a scene."""
    first = PARAMETER_NUMBERS + LATTICE_NUMBERS
    return numbers[first : first + GRID * GRID * SITE_NUMBERS].reshape(GRID * GRID, SITE_NUMBERS)


def numbers_of_appearance() -> np.ndarray:
    """Return which numbers of a scene decide how its mosaic looks, and nothing of its labels.

    Returns:
        bool (SCENE_NUMBERS,): those of clarity, of the looks of cells, and of the looks of guttae.
    """
    of_parameters = np.arange(PARAMETER_NUMBERS) == CLARITY_NUMBER
    of_sites = np.zeros((GRID * GRID, SITE_NUMBERS), dtype=bool)
    of_sites[:, LOOKS] = True
    lattice = np.zeros(LATTICE_NUMBERS, dtype=bool)
    return np.concatenate([of_parameters, lattice, of_sites.ravel(), numbers_of_look()])
