"""A mosaic on the pixels of an image: which cell a pixel is in, and how far from the border."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from endotwin.mosaic.drawing import Mosaic


@dataclass(frozen=True)
class Raster:
    """A mosaic at the centres of the pixels.

    Attributes:
        owner: int64 (H, W), index of the site whose cell a pixel is in.
        border: float32 (H, W), distance to the nearest border of the cell, in pixels.
        centre: float32 (H, W), distance to the cell's own site, in pixels.
    """

    owner: np.ndarray
    border: np.ndarray
    centre: np.ndarray


def rasterise(mosaic: Mosaic, displacement: np.ndarray | None = None) -> Raster:
    """Evaluate a mosaic at the centres of the image's pixels.

    Args:
        mosaic: to evaluate.
        displacement: float64 (2, H, W), how far below and to the right of them instead, in pixels.
    """
    from endotwin.mosaic.pixels import walk_pixels  # noqa: PLC0415

    found = mosaic.tessellation
    from_corner = (found.sites * found.sites).sum(axis=1)
    start = int(np.where(found.areas > 0.0, from_corner, np.inf).argmin())
    if displacement is None:
        displacement = np.zeros((2, *mosaic.size.shape))
    return Raster(
        *walk_pixels(found.sites, found.weights, found.sides, found.neighbours, start, displacement)
    )


def draw_borders(raster: Raster) -> np.ndarray:
    """Draw the borders one pixel wide.

    Wherever two pixels that share a side are in different cells, the one nearer to their border is on it.
    So no two cells touch across a side without a border between them, and the line lies, on average, where
    the border is. The tip of a cell that is so narrow that its two borders cut it off is border, too: what
    is left of a cell is in one piece.

    Returns:
        bool (H, W).
    """
    drawn: np.ndarray = np.zeros(raster.owner.shape, dtype=bool)
    for axis in (0, 1):
        a = [slice(None), slice(None)]
        b = [slice(None), slice(None)]
        a[axis], b[axis] = slice(None, -1), slice(1, None)
        here, there = tuple(a), tuple(b)
        differ = raster.owner[here] != raster.owner[there]
        first = raster.border[here] <= raster.border[there]
        drawn[here] |= differ & first
        drawn[there] |= differ & ~first
    drawn |= _tips(raster.owner, drawn)
    return drawn


def _tips(owner: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Find the pieces off a border that are not the largest one of their cell."""
    from endotwin.mosaic.pixels import label_pieces  # noqa: PLC0415

    piece, count = label_pieces(~drawn)
    sizes = np.bincount(piece.ravel())
    cell = np.zeros(count + 1, dtype=np.int64)
    cell[piece] = owner
    cell[0] = -1  # the border itself
    by_cell = np.lexsort((sizes, cell))
    is_tip = np.append(cell[by_cell][1:] == cell[by_cell][:-1], False)
    tips = np.zeros(count + 1, dtype=bool)
    tips[by_cell] = is_tip
    cut_off: np.ndarray = tips[piece]
    return cut_off
