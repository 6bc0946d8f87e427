"""The cells of pixels, compiled.

Import this module where it is used: it takes Numba with it.
"""

from __future__ import annotations

import math

import numpy as np

from endotwin.mosaic.compiled import compiled

_TINY = 1e-9
"""Pixels so little beyond a border stay on their side, so that rounding cannot send them to and fro."""


@compiled
def walk_pixels(
    sites: np.ndarray, weights: np.ndarray, sides: np.ndarray, pairs: np.ndarray, start: int, size: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the cell of every pixel by walking from cell to cell, and the distance to its nearest border.

    A cell is convex, so the nearest of the lines through its borders is as far as the nearest border.

    Args:
        sites: float64 (N, 2).
        weights: float64 (N,).
        sides: int64 (N,), number of neighbours.
        pairs: int64 (M, 2), neighbours, sorted by the first.
        start: a site that has a cell.
        size: pixels of the image's side.

    Returns:
        owner int64, distance to the nearest border float32 and to the owner's site float32, each
        (size, size).
    """
    owner = np.empty((size, size), np.int64)
    border = np.empty((size, size), np.float32)
    centre = np.empty((size, size), np.float32)
    starts = np.zeros(len(sites) + 1, np.int64)
    for i in range(len(sites)):
        starts[i + 1] = starts[i] + sides[i]
    lines = np.empty((len(pairs), 3))  # to a neighbour: unit normal from the site, and distance from it
    for k in range(len(pairs)):
        i, j = pairs[k, 0], pairs[k, 1]
        dx, dy = sites[j, 0] - sites[i, 0], sites[j, 1] - sites[i, 1]
        length = math.sqrt(dx * dx + dy * dy)
        lines[k, 0], lines[k, 1] = dx / length, dy / length
        lines[k, 2] = 0.5 * (length + (weights[i] - weights[j]) / length)

    first = start
    for row in range(size):
        own = first
        for column in range(size):
            least = -math.inf
            while least < -_TINY:
                x, y = column + 0.5 - sites[own, 0], row + 0.5 - sites[own, 1]
                least, nearest = math.inf, own
                for k in range(starts[own], starts[own + 1]):
                    distance = lines[k, 2] - x * lines[k, 0] - y * lines[k, 1]
                    if distance < least:
                        least, nearest = distance, pairs[k, 1]
                if least < -_TINY:
                    own = nearest
            if column == 0:
                first = own
            owner[row, column] = own
            border[row, column] = max(least, 0.0)
            centre[row, column] = math.sqrt(x * x + y * y)
    return owner, border, centre
