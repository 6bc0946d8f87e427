"""Where the borders between the cells of a mask are, finer than its pixels, compiled.

Import this module where it is used: it takes Numba with it.
"""

from __future__ import annotations

import math

import numpy as np

from endotwin.mosaic.compiled import compiled


@compiled
def within_reach(mask: np.ndarray, radius: float) -> np.ndarray:
    """Return which pixels have one of the mask within `radius` pixels: bool (H, W)."""
    rows, columns = mask.shape
    reach = math.ceil(radius)
    found = np.zeros((rows, columns), np.bool_)
    for row in range(rows):
        for column in range(columns):
            for r in range(max(row - reach, 0), min(row + reach + 1, rows)):
                for c in range(max(column - reach, 0), min(column + reach + 1, columns)):
                    if mask[r, c] and (r - row) ** 2 + (c - column) ** 2 <= radius * radius:
                        found[row, column] = True
    return found


@compiled
def divide_finely(cells: np.ndarray, fine: int, taps: np.ndarray, usual: int) -> np.ndarray:
    """Give every place between the cells of a mask to one of them, on a grid finer than its pixels.

    A place is in the cell whose pixels have the largest sum of weights around it. So the steps of pixels
    are smoothed, and of a line that no cell has the middle is the border.

    Args:
        cells: int64 (H, W), the cell of a pixel, 0 for none.
        fine: places per pixel and axis, odd.
        taps: float64 (fine, window), weight of a pixel by the place within its own and the steps from it,
            those to the left first.
        usual: pixels to either side that count if there is a cell among them; else all of the window does.

    Returns:
        int64 (H * fine, W * fine), the cell of each place; 0 only where no cell is within the window.
    """
    rows, columns = cells.shape
    widest = taps.shape[1] // 2
    owner = np.zeros((rows * fine, columns * fine), np.int64)
    near = np.empty((2 * widest + 1) ** 2, np.int64)
    number = np.empty((2 * widest + 1, 2 * widest + 1), np.int64)
    for row in range(rows):
        for column in range(columns):
            reach = usual
            count = _list_near(cells, row, column, reach, near, number)
            if count == 0:
                reach = widest
                count = _list_near(cells, row, column, reach, near, number)
            for y in range(fine):
                for x in range(fine):
                    best = 0
                    if count > 1:
                        first = widest - reach
                        down, right = taps[y, first : len(taps[y]) - first], taps[x, first:]
                        best = _heaviest(number, down, right[: len(down)], count)
                    if count > 0:
                        owner[row * fine + y, column * fine + x] = near[best]
    return owner


@compiled
def _list_near(
    cells: np.ndarray, row: int, column: int, reach: int, near: np.ndarray, number: np.ndarray
) -> int:
    """List the cells around a pixel in `near`, and which of them each pixel is in, or -1, in `number`."""
    rows, columns = cells.shape
    count = 0
    for down in range(2 * reach + 1):
        for right in range(2 * reach + 1):
            r, c = row + down - reach, column + right - reach
            k = -1
            if 0 <= r < rows and 0 <= c < columns and cells[r, c] > 0:
                k = 0
                while k < count and near[k] != cells[r, c]:
                    k += 1
                if k == count:
                    near[count] = cells[r, c]
                    count += 1
            number[down, right] = k
    return count


@compiled
def _heaviest(number: np.ndarray, down: np.ndarray, right: np.ndarray, count: int) -> int:
    """Return which cell has the largest sum of products of weights."""
    sums = np.zeros(count)
    for r in range(len(down)):
        for c in range(len(right)):
            if number[r, c] >= 0:
                sums[number[r, c]] += down[r] * right[c]
    return int(np.argmax(sums))


@compiled
def border_distances(owner: np.ndarray, fine: int) -> np.ndarray:
    """Return how far the centre of each pixel is from the nearest border.

    Args:
        owner: int64 (H * fine, W * fine), the cell of each place.
        fine: places per pixel and axis, odd.

    Returns:
        float32 (H, W), in pixels; the diagonal of the image where there is no border.
    """
    rows, columns = owner.shape
    far = float(rows + columns)
    along = np.full((rows, columns), far)  # distance to a place at a border in the same column
    for column in range(columns):
        for row in range(rows):
            own = owner[row, column]
            if (
                (row > 0 and owner[row - 1, column] != own)
                or (row + 1 < rows and owner[row + 1, column] != own)
                or (column > 0 and owner[row, column - 1] != own)
                or (column + 1 < columns and owner[row, column + 1] != own)
            ):
                along[row, column] = 0.0
            elif row > 0:
                along[row, column] = along[row - 1, column] + 1.0
        for row in range(rows - 2, -1, -1):
            along[row, column] = min(along[row, column], along[row + 1, column] + 1.0)
    distances = np.empty((rows // fine, columns // fine), np.float32)
    for y in range(rows // fine):
        row = y * fine + fine // 2
        for x in range(columns // fine):
            column = x * fine + fine // 2
            least = far * far
            for c in range(columns):
                if abs(c - column) < far and (c - column) ** 2 < least:
                    least = min(least, (c - column) ** 2 + along[row, c] ** 2)
            # The border runs half a place beyond the nearest place at it on this side.
            distances[y, x] = min(math.sqrt(least) + 0.5, far) / fine
    return distances
