"""The numbers a clinician reads off a mosaic: cell density, coefficient of variation, hexagonality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from endotwin.image_size import IMAGE_SIZE
from endotwin.mosaic.drawing import Mosaic


@dataclass(frozen=True)
class Morphometry:
    """What was measured on the cells of one image or of many.

    Attributes:
        count: number of cells.
        mean_area: in square pixels.
        cv: standard deviation of the cells' areas over their mean.
        hexagonality: share of the cells that have six neighbours.
    """

    count: int
    mean_area: float
    cv: float
    hexagonality: float


def cells_inside(mosaic: Mosaic) -> np.ndarray:
    """Return the indices of the sites whose cells have their centroid in the image.

    Counting by centroid, with the whole cell's area and neighbours also where the image's edge cuts it,
    prefers neither small nor large cells, as counting only uncut ones would.
    """
    tessellation = mosaic.tessellation
    inside = ((tessellation.centroids >= 0.0) & (tessellation.centroids < IMAGE_SIZE)).all(axis=1)
    return np.flatnonzero(inside & (tessellation.areas > 0.0) & (tessellation.sides > 0))


def measure_cells(areas: np.ndarray, sides: np.ndarray) -> Morphometry:
    """Measure cells.

    Args:
        areas: (N,), in square pixels, at least one.
        sides: (N,), number of neighbours.
    """
    mean = float(areas.mean())
    return Morphometry(len(areas), mean, float(areas.std() / mean), float((sides == 6).mean()))


def pool_cells(mosaics: Sequence[Mosaic]) -> Morphometry:
    """Measure the cells of many mosaics together."""
    chosen = [cells_inside(mosaic) for mosaic in mosaics]
    pairs = list(zip(mosaics, chosen, strict=True))
    return measure_cells(
        np.concatenate([mosaic.tessellation.areas[cells] for mosaic, cells in pairs]),
        np.concatenate([mosaic.tessellation.sides[cells] for mosaic, cells in pairs]),
    )
