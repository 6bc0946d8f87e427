"""Where borders stand out from the cells beside them, by as much as where experts drew borders."""

from __future__ import annotations

import math

import numpy as np

_WINDOW = 1.5
"""Side of the square in which border and cells are compared, over the side of a square of a cell's area."""

_FEWEST_PIXELS = 12
"""Of either kind in a square; with fewer there is nothing to compare."""

_LEAST_SQUARED = 2 / 7
"""Square of the least contrast over noise: where experts drew borders it is higher in 94 % of places
(mean over gavet, cwru, strip and confocal; docs/mosaic.md)."""


def borders_stand_out(
    image: np.ndarray, on_border: np.ndarray, inside: np.ndarray, area: float
) -> np.ndarray:
    """Return where borders can be told from cells, by contrast over noise in a square around each place.

    Contrast is by how much the mean on borders is below that inside cells, noise the standard deviation
    inside cells. Sums are of whole numbers: the same image has the same map on every machine.

    Args:
        image: uint8 grey levels (H, W).
        on_border: bool (H, W), what counts as border.
        inside: bool (H, W), what counts as inside of cells.
        area: mean area of the cells in pixels.

    Returns:
        bool (H, W); True where there is too little to compare.
    """
    reach = round(_WINDOW / 2 * math.sqrt(area))
    grey = image.astype(np.int64)
    of_borders, of_cells = on_border.astype(np.int64), inside.astype(np.int64)
    borders, cells = _sums(of_borders, reach), _sums(of_cells, reach)
    level = _sums(of_cells * grey, reach)
    # All over the number of pixels of one kind, or of both.
    contrast = (level * borders - _sums(of_borders * grey, reach) * cells).astype(np.float64)
    variance = (_sums(of_cells * grey * grey, reach) * cells - level * level).astype(np.float64)
    stand_out = (contrast > 0) & (contrast * contrast >= _LEAST_SQUARED * variance * borders * borders)
    unknown = np.minimum(borders, cells) < _FEWEST_PIXELS
    found: np.ndarray = stand_out | unknown
    return found


def _sums(values: np.ndarray, reach: int) -> np.ndarray:
    """Return the sum of the square of `reach` pixels to every side of each place, int64 (H, W)."""
    for axis in (0, 1):
        size = values.shape[axis]
        ends = np.minimum(np.arange(size) + reach + 1, size)
        starts = np.maximum(np.arange(size) - reach, 0)
        total = np.insert(np.cumsum(values, axis=axis), 0, 0, axis=axis)
        values = total.take(ends, axis=axis) - total.take(starts, axis=axis)
    return values
