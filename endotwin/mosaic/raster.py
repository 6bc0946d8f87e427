"""A mosaic on the pixels of an image: which cell a pixel is in, and how far from the border."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import label
from scipy.spatial.distance import cdist

from endotwin.image_range import IMAGE_SIZE
from endotwin.mosaic.drawing import Mosaic

_REACH = 2.0
"""Sites further than so many spacings from the image own none of its pixels."""

_ROWS = 16


@dataclass(frozen=True)
class Raster:
    """A mosaic at the centres of the pixels.

    Attributes:
        owner: int64 (128, 128), index of the site whose cell a pixel is in.
        border: float32 (128, 128), distance to the border with the nearest other cell, in pixels.
        centre: float32 (128, 128), distance to the cell's own site, in pixels.
    """

    owner: np.ndarray
    border: np.ndarray
    centre: np.ndarray


def rasterise(mosaic: Mosaic) -> Raster:
    """Evaluate a mosaic at the centres of the image's pixels."""
    tessellation = mosaic.tessellation
    half = IMAGE_SIZE / 2.0
    # From the middle of the image, so that squares stay small enough for single precision.
    sites = tessellation.sites - half
    reach = half + _REACH * mosaic.shape.spacing
    near = np.flatnonzero((np.abs(sites) < reach).all(axis=1) & (tessellation.areas > 0.0))
    chosen = sites[near]

    # |x - site|² - weight without |x|², which all sites share: a product of matrices.
    offset = (chosen * chosen).sum(axis=1) - tessellation.weights[near]
    planes = np.vstack([-2.0 * chosen.T, offset]).astype(np.float32)
    axis = np.arange(IMAGE_SIZE) + 0.5 - half
    y, x = (part.ravel() for part in np.meshgrid(axis, axis, indexing="ij"))
    pixels = np.column_stack([x, y, np.ones_like(x)]).astype(np.float32)
    # A few rows of the image at a time: then the products stay in the processor's cache.
    parts = [_two_nearest(part @ planes) for part in np.split(pixels, IMAGE_SIZE // _ROWS)]
    first, second, gap = (np.concatenate(each) for each in zip(*parts, strict=True))

    apart = cdist(chosen, chosen).astype(np.float32)[first, second]
    single = chosen.astype(np.float32)
    centre = np.hypot(pixels[:, 0] - single[first, 0], pixels[:, 1] - single[first, 1])
    shape = (IMAGE_SIZE, IMAGE_SIZE)
    return Raster(
        owner=near[first].reshape(shape),
        border=(gap / (2.0 * apart)).reshape(shape),
        centre=centre.reshape(shape),
    )


def _two_nearest(power: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the columns with the least and second least of (N, sites), and their difference.

    It writes into `power`.
    """
    pixel = np.arange(len(power))
    first = power.argmin(axis=1)
    least = power[pixel, first]
    power[pixel, first] = np.inf
    second = power.argmin(axis=1)
    return first, second, power[pixel, second] - least


def draw_borders(raster: Raster) -> np.ndarray:
    """Draw the borders one pixel wide.

    Wherever two pixels that share a side are in different cells, the one nearer to their border is on it.
    So no two cells touch across a side without a border between them, and the line lies, on average, where
    the border is. The tip of a cell that is so narrow that its two borders cut it off is border, too: what
    is left of a cell is in one piece.

    Returns:
        bool (128, 128).
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
    piece, count = label(~drawn)
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
