"""The shapes of guttae on pixels, compiled.

Import this module where it is used: it takes Numba with it.
"""

from __future__ import annotations

import numpy as np

from endotwin.mosaic.compiled import compiled

_JOIN = 0.25
"""Heights that differ by less than this are joined smoothly: guttae grow together without a notch."""


@compiled
def raise_spots(
    spots: np.ndarray, reaches: np.ndarray, outline: np.ndarray, roughness: float, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return how high the guttae are over every pixel, and which spot is the highest there.

    A spot is 1 - q(x) high, where the quadratic form q is 1 on its ellipse; spots are joined smoothly.

    Args:
        spots: float64 (N, 5), centre x and y in pixels, and q's coefficients of xx, xy and yy.
        reaches: float64 (N,), how far from its centre a spot is looked at, in pixels; the first one is
            everywhere.
        outline: float64 (M, M'), numbers of a coarse grid that make the outline uneven.
        roughness: what the outline is multiplied with.
        height: of the image in pixels.
        width: of the image in pixels.

    Returns:
        heights float64 and spots int64, each (height, width).
    """
    heights = spread_grid(outline, height, width)
    highest = np.zeros((height, width), np.int64)
    along = np.empty(width)
    best = np.empty(width)
    for row in range(height):
        for n in range(len(spots)):
            y = row + 0.5 - spots[n, 1]
            first, end = 0, width
            if n > 0:
                if abs(y) > reaches[n]:
                    continue
                first = int(max(spots[n, 0] - reaches[n], 0.0))
                end = int(min(spots[n, 0] + reaches[n], float(width)))
            for column in range(first, end):
                x = column + 0.5 - spots[n, 0]
                along[column] = 1.0 - (spots[n, 2] * x + spots[n, 3] * y) * x - spots[n, 4] * y * y
            if n == 0:
                best[:] = along
                continue
            for column in range(first, end):
                one, other = best[column], along[column]
                if other > one:
                    highest[row, column] = n
                near = max(_JOIN - abs(one - other), 0.0)
                best[column] = max(one, other) + near * near / (4.0 * _JOIN)
        for column in range(width):
            heights[row, column] = best[column] + roughness * heights[row, column]
    return heights, highest


@compiled
def follow_cells(heights: np.ndarray, owner: np.ndarray, share: float) -> None:
    """Move heights a share of the way to their mean over the pixels of a cell, in place.

    Args:
        heights: float64 (H, W).
        owner: int64 (H, W), from 0: the cell of each pixel.
        share: 0 to 1.
    """
    cells = owner.max() + 1
    sums, pixels = np.zeros(cells), np.zeros(cells)
    for row in range(heights.shape[0]):
        for column in range(heights.shape[1]):
            sums[owner[row, column]] += heights[row, column]
            pixels[owner[row, column]] += 1.0
    for row in range(heights.shape[0]):
        for column in range(heights.shape[1]):
            cell = owner[row, column]
            heights[row, column] += share * (sums[cell] / pixels[cell] - heights[row, column])


@compiled
def spread_grid(grid: np.ndarray, height: int, width: int) -> np.ndarray:
    """Spread the numbers of a coarse grid over an image, by uniform cubic B-splines.

    Args:
        grid: float64 (M, M'), at least 4 along either side.
        height: of the image in pixels.
        width: of the image in pixels.

    Returns:
        float64 (height, width), of less variance than the grid.
    """
    starts, weights = _splines(grid.shape[0], height)
    rows = np.zeros((height, grid.shape[1]))
    for row in range(height):
        for n in range(4):
            for column in range(grid.shape[1]):
                rows[row, column] += weights[row, n] * grid[starts[row] + n, column]
    starts, weights = _splines(grid.shape[1], width)
    spread = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            for n in range(4):
                spread[row, column] += weights[column, n] * rows[row, starts[column] + n]
    return spread


@compiled
def _splines(count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first of the four splines at every pixel, int64 (size,), and their values, (size, 4)."""
    weights = np.zeros((size, 4))
    starts = np.zeros(size, np.int64)
    for k in range(size):
        place = (k + 0.5) * (count - 3) / size
        starts[k] = min(int(place), count - 4)
        t = place - starts[k]
        weights[k, 0] = (1.0 - t) * (1.0 - t) * (1.0 - t) / 6.0
        weights[k, 1] = (3.0 * t * t * t - 6.0 * t * t + 4.0) / 6.0
        weights[k, 2] = (-3.0 * t * t * t + 3.0 * t * t + 3.0 * t + 1.0) / 6.0
        weights[k, 3] = t * t * t / 6.0
    return starts, weights


@compiled
def blur(image: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """Blur an image along both axes; beyond its edge it goes on as its last pixel.

    Args:
        image: float32 (H, W).
        taps: float32 (K + 1,), weights from the middle outwards; those of both sides add up to 1.

    Returns:
        float32 (H, W).
    """
    height, width = image.shape
    down = np.empty((height, width), np.float32)
    for row in range(height):
        for column in range(width):
            down[row, column] = taps[0] * image[row, column]
        for k in range(1, len(taps)):
            above, below = max(row - k, 0), min(row + k, height - 1)
            for column in range(width):
                down[row, column] += taps[k] * (image[above, column] + image[below, column])
    blurred = np.empty((height, width), np.float32)
    reach = len(taps) - 1
    line = np.empty(width + 2 * reach, np.float32)
    for row in range(height):
        line[:reach] = down[row, 0]
        line[reach : reach + width] = down[row]
        line[reach + width :] = down[row, width - 1]
        for column in range(width):
            blurred[row, column] = taps[0] * line[reach + column]
        for k in range(1, len(taps)):
            for column in range(width):
                blurred[row, column] += taps[k] * (line[reach + column - k] + line[reach + column + k])
    return blurred


@compiled
def add_glints(glints: np.ndarray, ellipses: np.ndarray) -> None:
    """Add small bright ellipses with soft edges to an image, in place.

    Args:
        glints: float32 (H, W).
        ellipses: float64 (N, 7): centre x and y, coefficients of xx, xy and yy of the quadratic form that
            is 1 at the end of the ellipse, its longer half axis, and its brightness.
    """
    height, width = glints.shape
    for n in range(len(ellipses)):
        left, top = ellipses[n, 0] - ellipses[n, 5], ellipses[n, 1] - ellipses[n, 5]
        right, bottom = ellipses[n, 0] + ellipses[n, 5], ellipses[n, 1] + ellipses[n, 5]
        for row in range(max(int(top), 0), min(int(bottom) + 1, height)):
            y = row + 0.5 - ellipses[n, 1]
            for column in range(max(int(left), 0), min(int(right) + 1, width)):
                x = column + 0.5 - ellipses[n, 0]
                inside = 1.0 - (ellipses[n, 2] * x + ellipses[n, 3] * y) * x - ellipses[n, 4] * y * y
                if inside > 0.0:
                    glints[row, column] += ellipses[n, 6] * inside * inside
