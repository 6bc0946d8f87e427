"""The cells of pixels and the pieces of masks, compiled.

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
    sites: np.ndarray,
    weights: np.ndarray,
    sides: np.ndarray,
    pairs: np.ndarray,
    start: int,
    displacement: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the cell of every pixel by walking from cell to cell, and the distance to its nearest border.

    A cell is convex, so the nearest of the lines through its borders is as far as the nearest border.

    Args:
        sites: float64 (N, 2).
        weights: float64 (N,).
        sides: int64 (N,), number of neighbours.
        pairs: int64 (M, 2), neighbours, sorted by the first.
        start: a site that has a cell.
        displacement: float64 (2, H, W), how far below and to the right of each pixel's centre is
            looked, in pixels.

    Returns:
        owner int64, distance to the nearest border float32 and to the owner's site float32, each (H, W).
    """
    height, width = displacement.shape[1], displacement.shape[2]
    owner = np.empty((height, width), np.int64)
    border = np.empty((height, width), np.float32)
    centre = np.empty((height, width), np.float32)
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
    for row in range(height):
        own = first
        for column in range(width):
            least = -math.inf
            while least < -_TINY:
                x = column + 0.5 + displacement[1, row, column] - sites[own, 0]
                y = row + 0.5 + displacement[0, row, column] - sites[own, 1]
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


@compiled
def label_pieces(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Number the pieces of equal values, connected across sides, in the order of their first pixel.

    Args:
        values: bool or int64 (H, W); what is False or 0 is in no piece.

    Returns:
        The piece of every pixel, int64 (H, W), from 1 on and 0 for none, and how many there are.
    """
    rows, columns = values.shape
    piece = np.zeros((rows, columns), np.int64)
    reached = np.empty((rows * columns, 2), np.int64)
    count = 0
    for first_row in range(rows):
        for first_column in range(columns):
            value = values[first_row, first_column]
            if not value or piece[first_row, first_column] > 0:
                continue
            count += 1
            piece[first_row, first_column] = count
            reached[0, 0], reached[0, 1] = first_row, first_column
            left = 1
            while left > 0:
                left -= 1
                row, column = reached[left, 0], reached[left, 1]
                for step_down, step_right in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                    r, c = row + step_down, column + step_right
                    if 0 <= r < rows and 0 <= c < columns and values[r, c] == value and piece[r, c] == 0:
                        piece[r, c] = count
                        reached[left, 0], reached[left, 1] = r, c
                        left += 1
    return piece, count
