"""The shapes of guttae on pixels, compiled.

Import this module where it is used: it takes Numba with it.
"""

from __future__ import annotations

import math

import numpy as np

from endotwin.mosaic.compiled import compiled

_JOIN = 0.25
"""Heights that differ by less than this are joined smoothly: guttae grow together without a notch."""

_BURIED = 5.0
"""Pixels by which threads are narrower at a height of 1: a spot within another one has none around it."""


@compiled
def raise_spots(
    spots: np.ndarray,
    reaches: np.ndarray,
    outline: np.ndarray,
    roughness: float,
    thread: float,
    unevenness: float,
    height: int,
    width: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return how high the guttae are over every pixel, which spot is the highest there, and the threads.

    A spot is 1 - q(x) high, where the quadratic form q is 1 on its ellipse; spots are joined smoothly. A
    thread lies where the highest two are equally high.

    Args:
        spots: float64 (N, 5), centre x and y in pixels, and q's coefficients of xx, xy and yy.
        reaches: float64 (N,), how far from its centre a spot is looked at, in pixels; the first one is
            everywhere.
        outline: float64 (M, M'), numbers of a coarse grid that make the outline and threads uneven.
        roughness: what the outline is multiplied with.
        thread: usual width of threads in pixels.
        unevenness: what the outline is multiplied with for the width of threads.
        height: of the image in pixels.
        width: of the image in pixels.

    Returns:
        heights float64, spots int64 and threads bool, each (height, width).
    """
    heights = spread_grid(outline, height, width)
    highest = np.zeros((height, width), np.int64)
    threads = np.zeros((height, width), np.bool_)
    along, best = np.empty(width), np.empty(width)
    first, second = np.empty(width), np.empty(width)
    below = np.empty(width, np.int64)
    for row in range(height):
        second[:] = -np.inf
        for n in range(len(spots)):
            y = row + 0.5 - spots[n, 1]
            start, end = 0, width
            if n > 0:
                if abs(y) > reaches[n]:
                    continue
                start = int(max(spots[n, 0] - reaches[n], 0.0))
                end = int(min(spots[n, 0] + reaches[n], float(width)))
            for column in range(start, end):
                x = column + 0.5 - spots[n, 0]
                along[column] = 1.0 - (spots[n, 2] * x + spots[n, 3] * y) * x - spots[n, 4] * y * y
            if n == 0:
                best[:] = along
                first[:] = along
                continue
            for column in range(start, end):
                one, other = best[column], along[column]
                near = max(_JOIN - abs(one - other), 0.0)
                best[column] = max(one, other) + near * near / (4.0 * _JOIN)
                if other > first[column]:
                    second[column], below[column] = first[column], highest[row, column]
                    first[column], highest[row, column] = other, n
                elif other > second[column]:
                    second[column], below[column] = other, n
        for column in range(width):
            if second[column] > -np.inf:
                wide = thread - _BURIED * max(first[column], 0.0) + unevenness * heights[row, column]
                higher, lower = spots[highest[row, column]], spots[below[column]]
                slope = _slope_between(higher, lower, column + 0.5, row + 0.5)
                threads[row, column] = 2.0 * (first[column] - second[column]) < wide * slope
            heights[row, column] = best[column] + roughness * heights[row, column]
    return heights, highest, threads


@compiled
def _slope_between(one: np.ndarray, other: np.ndarray, x: float, y: float) -> float:
    """Return by how much per pixel the difference of two spots' heights changes; see `raise_spots`."""
    a, b, c, d = x - one[0], y - one[1], x - other[0], y - other[1]
    across = 2.0 * (other[2] * c - one[2] * a) + other[3] * d - one[3] * b
    down = 2.0 * (other[4] * d - one[4] * b) + other[3] * c - one[3] * a
    return math.sqrt(across * across + down * down)


@compiled
def lie_around(positions: np.ndarray, spots: np.ndarray, around: float) -> np.ndarray:
    """Return for every position whether it is in a ring around a spot, 1, beneath one, -1, or neither, 0.

    Args:
        positions: float64 (N, 2), x and y in pixels.
        spots: float64 (M, 5), see `raise_spots`.
        around: width of the rings in pixels.

    Returns:
        float64 (N,).
    """
    places = np.zeros(len(positions))
    for n in range(len(spots)):
        a, b, c = spots[n, 2], spots[n, 3], spots[n, 4]
        end = 1.0 + around * math.sqrt(math.sqrt(a * c - 0.25 * b * b))
        for i in range(len(positions)):
            x, y = positions[i, 0] - spots[n, 0], positions[i, 1] - spots[n, 1]
            q = (a * x + b * y) * x + c * y * y
            if q < 1.0:
                places[i] = -1.0
            elif q < end * end and places[i] == 0.0:
                places[i] = 1.0
    return places


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
