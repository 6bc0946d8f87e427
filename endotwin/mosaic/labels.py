"""The label of an image: borders, cell instances, guttae, the table of cells, and what was measured."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from endotwin.mosaic.clarity import INSIDE, ON_BORDER
from endotwin.mosaic.contrast import borders_stand_out
from endotwin.mosaic.drawing import Mosaic
from endotwin.mosaic.guttae import soften
from endotwin.mosaic.morphometry import COORDINATE_DIGITS, cells_inside, measure_mosaics
from endotwin.mosaic.parameters import Parameters
from endotwin.mosaic.raster import Raster, draw_borders

SOFT_WIDTH = 1.5
"""Standard deviation of the soft border map, in pixels."""


@dataclass(frozen=True)
class Cell:
    """A cell that the image shows at least a pixel of.

    Attributes:
        id: its value in the instance map, from 1.
        x: of the centroid of the whole cell, in pixels; 0 is the left edge of the image.
        y: the same, downwards.
        area: of the whole cell, also where the image's edge cuts it, in square pixels.
        sides: number of all its neighbours.
        neighbours: ids of those that the image shows, ascending.
        counted: whether its centroid is in the image, so that the measured parameters count it.
    """

    id: int
    x: float
    y: float
    area: float
    sides: int
    neighbours: tuple[int, ...]
    counted: bool


@dataclass(frozen=True)
class Measured:
    """The parameters as measured on one label; few cells scatter widely around what was asked for.

    Attributes:
        cells: number of cells counted.
        density: cells per mm².
        cv: coefficient of variation of the cells' areas; None with fewer than two cells.
        hexagonality: share of cells with six neighbours; None without a cell.
        guttae: share of the image under guttae.
        clarity: grey levels by which borders are darker than the inside of cells, in the image itself; None
            where too little of it is visible, or without an image.
    """

    cells: int
    density: float
    cv: float | None
    hexagonality: float | None
    guttae: float
    clarity: float | None


@dataclass(frozen=True)
class Label:
    """The label of one image.

    Attributes:
        borders: uint8 (H, W), 255 on a border one pixel wide, else 0.
        soft: uint8 (H, W), 255 on a border, falling as a Gaussian of SOFT_WIDTH pixels.
        instances: uint16 (H, W), the id of a cell, 0 on a border. Cells go on under guttae.
        guttae: uint8 (H, W), 255 under a gutta, else 0.
        cells: the table of cells, by id.
        asked: the parameters that were drawn with.
        measured: what came out.
        image: uint8 (H, W), the image that the label is of, if there is one.
    """

    borders: np.ndarray
    soft: np.ndarray
    instances: np.ndarray
    guttae: np.ndarray
    cells: tuple[Cell, ...]
    asked: Parameters
    measured: Measured
    image: np.ndarray | None = None

    @functools.cached_property
    def visible(self) -> np.ndarray:
        """Where an expert could have drawn the border: uint8 (H, W), 255 there, 0 elsewhere.

        0 under guttae and on threads between them, and where borders stand out less than where experts drew
        them. It is read off the image; images that differ by a grey level can differ in it at the edge of
        what can be seen. The same image has the same map on every machine.

        Raises:
            ValueError: the label is of no image.
        """
        if self.image is None:
            raise ValueError("what is visible is read off an image, and this label was made without one")
        from endotwin.mosaic.visibility import load_reader  # noqa: PLC0415

        hidden = (self.guttae > 0) | (soften(self.guttae > 0) > 0.5)  # also on threads between guttae
        seen = load_reader().read(self.image) & ~hidden
        if self.cells:
            area = float(np.mean([cell.area for cell in self.cells]))
            on_border = self.soft >= soft_borders(np.array(ON_BORDER))
            inside = self.soft <= soft_borders(np.array(INSIDE))
            seen &= borders_stand_out(self.image, on_border & ~hidden, inside & ~hidden, area)
        return np.where(seen, 255, 0).astype(np.uint8)


def make_label(
    mosaic: Mosaic,
    raster: Raster,
    guttae: np.ndarray,
    parameters: Parameters,
    clarity: float | None = None,
    image: np.ndarray | None = None,
) -> Label:
    """Make the label of a mosaic.

    Args:
        mosaic: drawn with `parameters`.
        raster: of the same mosaic.
        guttae: bool (H, W).
        parameters: of this image.
        clarity: measured on this image, if there is one.
        image: uint8 (H, W), if there is one.
    """
    on_border = draw_borders(raster)
    shown = np.flatnonzero(np.bincount(raster.owner[~on_border]))
    id_of = np.zeros(len(mosaic.tessellation.sites), dtype=np.uint16)
    id_of[shown] = np.arange(1, len(shown) + 1)
    instances = np.where(on_border, np.uint16(0), id_of[raster.owner])
    return Label(
        borders=np.where(on_border, 255, 0).astype(np.uint8),
        soft=soft_borders(raster.border),
        instances=instances,
        guttae=np.where(guttae, 255, 0).astype(np.uint8),
        cells=_list_cells(mosaic, shown, id_of),
        asked=parameters,
        measured=_measure(mosaic, guttae, parameters, clarity),
        image=image,
    )


def soft_borders(distance: np.ndarray) -> np.ndarray:
    """Return the soft border map, uint8, of distances to the border in pixels; see `Label.soft`."""
    return np.asarray(np.round(255.0 * np.exp(-0.5 * (distance / SOFT_WIDTH) ** 2)).astype(np.uint8))


def _list_cells(mosaic: Mosaic, shown: np.ndarray, id_of: np.ndarray) -> tuple[Cell, ...]:
    tessellation = mosaic.tessellation
    counted = np.zeros(len(tessellation.sites), dtype=bool)
    counted[cells_inside(mosaic)] = True
    pairs = id_of[tessellation.neighbours]
    pairs = pairs[(pairs > 0).all(axis=1)]
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    ends = np.searchsorted(pairs[:, 0], np.arange(1, len(shown) + 2))
    return tuple(
        Cell(
            id=k + 1,
            x=round(float(tessellation.centroids[site, 0]), COORDINATE_DIGITS) + 0.0,  # no -0.0
            y=round(float(tessellation.centroids[site, 1]), COORDINATE_DIGITS) + 0.0,
            area=round(float(tessellation.areas[site]), 3),
            sides=int(tessellation.sides[site]),
            neighbours=tuple(pairs[ends[k] : ends[k + 1], 1].tolist()),
            counted=bool(counted[site]),
        )
        for k, site in enumerate(shown)
    )


def _measure(mosaic: Mosaic, guttae: np.ndarray, parameters: Parameters, clarity: float | None) -> Measured:
    found = measure_mosaics([mosaic])
    width = mosaic.size.width * parameters.pixel_size / 1000.0
    height = mosaic.size.height * parameters.pixel_size / 1000.0
    return Measured(
        cells=found.count,
        density=found.count / (width * height),
        cv=found.cv,
        hexagonality=found.hexagonality,
        guttae=float(guttae.mean()),
        clarity=None if clarity is None else round(clarity, 2),
    )
