"""The convolutions of the reader of visibility in whole numbers, compiled.

Import this module where it is used: it takes Numba with it.
"""

from __future__ import annotations

import numpy as np

from endotwin.mosaic.compiled import compiled


@compiled
def convolve(
    maps: np.ndarray, weights: np.ndarray, biases: np.ndarray, dilation: int, bits: int
) -> np.ndarray:
    """Convolve maps, which go on beyond their edge as their last number.

    Args:
        maps: int32 (inputs, H, W).
        weights: int32 (outputs, inputs, 3, 3).
        biases: int32 (outputs,).
        dilation: distance of the taps.
        bits: what comes out is divided by 2**bits, rounded, and kept within 0 to 255; 0 leaves it as it is.

    Returns:
        int32 (outputs, H, W).
    """
    inputs, height, width = maps.shape
    padded = np.empty((inputs, height + 2 * dilation, width + 2 * dilation), np.int32)
    for row in range(height + 2 * dilation):
        from_row = min(max(row - dilation, 0), height - 1)
        for column in range(width + 2 * dilation):
            from_column = min(max(column - dilation, 0), width - 1)
            for channel in range(inputs):
                padded[channel, row, column] = maps[channel, from_row, from_column]
    found = np.empty((len(weights), height, width), np.int32)
    sums = np.empty(width, np.int32)
    for output in range(len(weights)):
        for row in range(height):
            for column in range(width):
                sums[column] = biases[output]
            for channel in range(inputs):
                for down in range(3):
                    line = padded[channel, row + down * dilation]
                    for along in range(3):
                        weight = weights[output, channel, down, along]
                        start = along * dilation
                        for column in range(width):
                            sums[column] += weight * line[start + column]
            if bits > 0:
                for column in range(width):
                    rounded = (sums[column] + (1 << (bits - 1))) >> bits
                    sums[column] = min(max(rounded, 0), 255)
            found[output, row] = sums
    return found


@compiled
def enlarge(scores: np.ndarray, factor: int) -> np.ndarray:
    """Enlarge a map of scores linearly; only the signs of what comes out mean something.

    Args:
        scores: int32 (H, W).
        factor: an even number.

    Returns:
        int64 (H * factor, W * factor).
    """
    height, width = scores.shape
    found = np.empty((height * factor, width * factor), np.int64)
    for row in range(height * factor):
        down = 2 * row + 1 - factor  # from the middle of the first step, in half pixels
        above = min(max(down // (2 * factor), 0), height - 1)
        below = min(above + 1, height - 1)
        share = min(max(down - 2 * factor * above, 0), 2 * factor)
        for column in range(width * factor):
            along = 2 * column + 1 - factor
            left = min(max(along // (2 * factor), 0), width - 1)
            right = min(left + 1, width - 1)
            part = min(max(along - 2 * factor * left, 0), 2 * factor)
            upper = (2 * factor - part) * scores[above, left] + part * scores[above, right]
            lower = (2 * factor - part) * scores[below, left] + part * scores[below, right]
            found[row, column] = (2 * factor - share) * upper + share * lower
    return found
