"""Cells of an image by its border probabilities."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from skimage.morphology import local_minima, reconstruction
from skimage.segmentation import watershed

SMOOTHING = 1.0
"""Standard deviation, pixels, of the blur that closes small gaps in borders."""

DEPTH = 0.1
"""A cell is a basin of the smoothed border probability that is at least this deep."""


def cells_from_borders(probability: np.ndarray) -> np.ndarray:
    """Return the basins of the border probability, by watershed on its smoothed map.

    Args:
        probability: float (H, W) from 0 to 1, of a border, or lines drawn three pixels wide, 0 and 1.

    Returns:
        int32 (H, W): every pixel belongs to a cell, numbered from 1; borders have no width.
    """
    smooth = ndimage.gaussian_filter(probability.astype(np.float64), SMOOTHING)
    levels = np.round(smooth * 1000).astype(np.int32)  # whole numbers: basins are compared exactly
    depth = round(DEPTH * 1000)
    filled = reconstruction(  # type: ignore[no-untyped-call]
        levels + depth, levels, method="erosion", footprint=np.ones((3, 3))
    ).astype(np.int32)
    # Not skimage's h_minima: it takes lowest places of one level for basins of their own, however low the
    # ridge between them, and in the middle of a cell the probability is 0 in many places.
    bottoms = local_minima(filled, connectivity=2)  # type: ignore[no-untyped-call]
    basins, _ = ndimage.label(bottoms, np.ones((3, 3)))
    markers = np.where(filled - levels >= depth, basins, 0)
    return np.asarray(watershed(levels, markers), dtype=np.int32)  # type: ignore[no-untyped-call]


def neighbour_pairs(cells: np.ndarray) -> np.ndarray:
    """Return the pairs of cells that share a side of a pixel, each once, the smaller number first.

    Args:
        cells: int (H, W).

    Returns:
        int (pairs, 2).
    """
    return shared_sides(cells)[0]


def shared_sides(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the same pairs, and how many sides of pixels each shares, int (pairs,)."""
    pairs = np.concatenate(
        [
            np.stack([cells[:-1].ravel(), cells[1:].ravel()], axis=1),
            np.stack([cells[:, :-1].ravel(), cells[:, 1:].ravel()], axis=1),
        ]
    )
    return np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0, return_counts=True)


def cell_lines(cells: np.ndarray) -> np.ndarray:
    """Return lines between cells and along what is in none, bool (H, W): no side joins two cells without.

    Args:
        cells: int (H, W), 0 where no cell is.
    """
    lines = np.zeros(cells.shape, dtype=bool)
    lines[:-1] |= cells[:-1] != cells[1:]
    lines[:, :-1] |= cells[:, :-1] != cells[:, 1:]
    return lines
