"""The loop of a Gaussian blur, compiled.

Import this module where it is used: it takes Numba with it.
"""

from __future__ import annotations

import numpy as np

from endotwin.mosaic.compiled import compiled


@compiled
def blur_rows(padded: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """Blur the rows of an image.

    Args:
        padded: float64 (H, W + 2 K).
        taps: float64 (K + 1,), weights from the middle outwards.

    Returns:
        float64 (H, W).
    """
    reach = len(taps) - 1
    height, width = padded.shape[0], padded.shape[1] - 2 * reach
    blurred = np.empty((height, width))
    for row in range(height):
        for column in range(width):
            blurred[row, column] = padded[row, column + reach] * taps[0]
        for away in range(reach, 0, -1):
            for column in range(width):
                both = padded[row, column + reach - away] + padded[row, column + reach + away]
                blurred[row, column] += both * taps[away]
    return blurred
