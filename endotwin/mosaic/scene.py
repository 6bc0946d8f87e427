"""Everything that is drawn for one image before the renderer sees it: parameters, mosaic, guttae."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from endotwin.field_size import STANDARD, FieldSize
from endotwin.mosaic.calibration import shape_for
from endotwin.mosaic.clarity import clarity_weights, measure_clarity
from endotwin.mosaic.drawing import SITE_NUMBERS, Mosaic, draw_mosaic, grid_side, lattice_numbers
from endotwin.mosaic.expert_hand import Hand
from endotwin.mosaic.gutta_spots import gutta_numbers, numbers_of_look, place_spots
from endotwin.mosaic.guttae import GuttaeLook, draw_guttae, soften
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

MOSAIC_VERSION = 5
"""Raised whenever the same numbers give another scene or another label."""


def _parts(size: FieldSize) -> tuple[int, int, int, int]:
    """Return how many numbers the parameters, the lattice, the sites and the guttae of an image take."""
    sites = grid_side(size) ** 2 * SITE_NUMBERS
    return PARAMETER_NUMBERS, lattice_numbers(size), sites, gutta_numbers(size)


def scene_numbers(size: FieldSize) -> int:
    """Return how many standard normal numbers an image of a size takes."""
    return sum(_parts(size))


SCENE_NUMBERS = scene_numbers(STANDARD)
"""Of an image of 128 × 128."""

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
        guttae: bool (H, W).
        gutta_look: how dark and how soft they are.
        looks: float32 (H, W, 2), two standard normal numbers per cell.
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
        """Make the label of this scene, and of its image, uint8 (H, W), if that is given."""
        clarity = None if image is None else measure_clarity(image, self.clarity_weights)
        drawn = self.raster
        if self.hand is not None:
            drawn = rasterise(self.mosaic, self.hand.displacement(self.mosaic.size))
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
        """The guttae with their soft edges, float32 (H, W), 0 to 1."""
        return soften(self.guttae, self.gutta_look)


def draw_scene(
    numbers: np.ndarray,
    conditions: Conditions,
    population: ImagePopulation,
    clarity: ClarityPopulation | None,
) -> Scene:
    """Draw one scene.

    Args:
        numbers: (scene_numbers(conditions.size),) standard normal, float32.
        conditions: what the caller asked for.
        population: where the rest comes from.
        clarity: where an open clarity comes from; None for a model that does not set it.
    """
    size = conditions.size
    ends = np.cumsum(_parts(size)[:-1])
    of_parameters, lattice, flat_sites, of_guttae = np.split(numbers, ends)
    sites = flat_sites.reshape(-1, SITE_NUMBERS)
    parameters = draw_parameters(of_parameters, conditions, population, clarity)
    shape = shape_for(parameters.cell_area, parameters.cv, parameters.hexagonality)
    spots = place_spots(of_guttae, parameters.guttae, size)
    mosaic = draw_mosaic(lattice, sites, shape, size, spots)
    raster = rasterise(mosaic)
    guttae = draw_guttae(spots, raster.owner)
    return Scene(
        parameters=parameters,
        mosaic=mosaic,
        raster=raster,
        guttae=guttae.covered,
        gutta_look=guttae.look,
        looks=sites[mosaic.table, LOOKS].take(raster.owner, axis=0),
    )


def sites_of_scene(numbers: np.ndarray) -> np.ndarray:
    """Return the numbers of the sites, (N, SITE_NUMBERS), among those of a scene of 128 × 128."""
    of_parameters, of_lattice, of_sites, _ = _parts(STANDARD)
    first = of_parameters + of_lattice
    return numbers[first : first + of_sites].reshape(-1, SITE_NUMBERS)


def numbers_of_appearance(size: FieldSize) -> np.ndarray:
    """Return which numbers of a scene decide how its mosaic looks, and nothing of its labels.

    Returns:
        bool (scene_numbers(size),): those of clarity, of the looks of cells, and of the looks of guttae.
    """
    of_parameters = np.arange(PARAMETER_NUMBERS) == CLARITY_NUMBER
    of_sites = np.zeros((grid_side(size) ** 2, SITE_NUMBERS), dtype=bool)
    of_sites[:, LOOKS] = True
    lattice = np.zeros(lattice_numbers(size), dtype=bool)
    return np.concatenate([of_parameters, lattice, of_sites.ravel(), numbers_of_look(size)])
