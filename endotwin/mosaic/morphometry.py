"""The numbers a clinician reads off cells: density, coefficient of variation of the area, hexagonality."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from endotwin.mosaic.drawing import Mosaic

COORDINATE_DIGITS = 3
"""Decimals of coordinates in the table of cells, in pixels."""


@dataclass(frozen=True)
class Morphometry:
    """What was measured on the cells of one image or of many.

    Attributes:
        count: number of cells.
        mean_area: in square pixels; None without a cell.
        cv: standard deviation of the cells' areas over their mean; None below two cells.
        hexagonality: share of the cells that have six neighbours; None without a cell.
    """

    count: int
    mean_area: float | None
    cv: float | None
    hexagonality: float | None

    def density(self, per: float) -> float | None:
        """Return the number of cells in so many square pixels of cells; None without a cell."""
        return None if self.mean_area is None else per / self.mean_area


def measure_cells(
    areas: np.ndarray, neighbours: np.ndarray, weights: np.ndarray | None = None
) -> Morphometry:
    """Measure cells that are known whole, however they were found.

    Args:
        areas: (N,), in square pixels.
        neighbours: (N,), number of neighbours.
        weights: (N,), how much each cell counts; None for all the same.
    """
    if len(areas) == 0:
        return Morphometry(0, None, None, None)
    mean = float(np.average(areas, weights=weights))
    variance = float(np.average((areas - mean) ** 2, weights=weights))
    return Morphometry(
        count=len(areas),
        mean_area=mean,
        cv=math.sqrt(variance) / mean if len(areas) > 1 else None,
        hexagonality=float(np.average(neighbours == 6, weights=weights)),
    )


def cells_inside(mosaic: Mosaic) -> np.ndarray:
    """Return the indices of the sites whose cells have their centroid in the image.

    Counting by centroid, with the whole cell's area and neighbours also where the image's edge cuts it,
    prefers neither small nor large cells, as counting only uncut ones would. Centroids are rounded as the
    table of a label has them, so that the table tells which cells are counted.
    """
    tessellation = mosaic.tessellation
    centroids = tessellation.centroids.round(COORDINATE_DIGITS)
    inside = ((centroids >= 0.0) & (centroids < (mosaic.size.width, mosaic.size.height))).all(axis=1)
    return np.flatnonzero(inside & (tessellation.areas > 0.0) & (tessellation.sides > 0))


def measure_mosaics(mosaics: Sequence[Mosaic]) -> Morphometry:
    """Measure the cells of one or more mosaics together, exactly, by their tessellations."""
    chosen = [(mosaic.tessellation, cells_inside(mosaic)) for mosaic in mosaics]
    return measure_cells(
        np.concatenate([tessellation.areas[cells] for tessellation, cells in chosen]),
        np.concatenate([tessellation.sides[cells] for tessellation, cells in chosen]),
    )
