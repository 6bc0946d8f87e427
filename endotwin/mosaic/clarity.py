"""Clarity: by how many grey levels borders are darker than the inside of their cells.

Light that varies over an image must not count, so a quadratic in the two coordinates is fitted together
with the borders' depth by least squares. The depth is then a weighted sum of the grey levels, and the
weights follow from the mosaic alone.
"""

from __future__ import annotations

import numpy as np

ON_BORDER = 0.75
"""Pixels at most so far from a border, in pixels, are on it."""

INSIDE = 3.0
"""Pixels at least so far from every border are inside a cell."""

_FEWEST_PIXELS = 20
"""Of either kind; with fewer there is nothing to compare."""


def clarity_weights(border: np.ndarray, hidden: np.ndarray) -> np.ndarray | None:
    """Return the weights whose sum of products with an image is its clarity.

    Args:
        border: (H, W), distance to the nearest border in pixels.
        hidden: bool (H, W), where borders cannot be seen: nothing there counts.

    Returns:
        float32 (H, W), or None where too little is visible.
    """
    on_border = (border <= ON_BORDER) & ~hidden
    counted = on_border | ((border >= INSIDE) & ~hidden)
    borders = int(on_border.sum())
    if borders < _FEWEST_PIXELS or int(counted.sum()) - borders < _FEWEST_PIXELS:
        return None
    light = _light(counted)
    indicator = on_border[counted].astype(np.float64)
    fitted = np.linalg.solve(light @ light.T, light @ indicator)
    beyond = indicator - fitted @ light  # what no light explains
    weights = np.zeros(border.shape, dtype=np.float32)
    weights[counted] = -beyond / (beyond @ beyond)
    return weights


def measure_clarity(image: np.ndarray, weights: np.ndarray | None) -> float | None:
    """Return the clarity of an image in grey levels, or None where too little is visible.

    Args:
        image: grey levels, 0 to 255, (H, W).
        weights: of its mosaic, see `clarity_weights`.
    """
    return None if weights is None else float((weights.astype(np.float64) * image).sum())


def _light(counted: np.ndarray) -> np.ndarray:
    """Return a constant, two slopes and three curvatures over an image, at its N counted pixels: (6, N)."""
    y, x = (
        np.linspace(-1.0, 1.0, side)[places]
        for side, places in zip(counted.shape, np.nonzero(counted), strict=True)
    )
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y])
