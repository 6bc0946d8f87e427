"""Guttae in an image that nobody annotated: dark spots about as large as cells."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

_DARK = 0.72
"""Brightness of a gutta relative to its surroundings, at most."""

_FLOOR = 10.0
"""Grey levels added to the surroundings: in the dark ratios are noise."""

_LEAST, _LARGEST = 0.35, 12.0
"""Area of a spot relative to a cell's."""


def guttae_of(image: np.ndarray, side: float) -> float:
    """Return the share of an image that is in dark spots.

    Args:
        image: uint8 grey levels (H, W).
        side: of its cells, in pixels.
    """
    grey = ndimage.gaussian_filter(image.astype(np.float64), 0.06 * side)
    around = 1.2 * side
    surroundings = ndimage.gaussian_filter(grey, around)
    for _ in range(3):  # without the spots themselves
        light = (grey > 0.85 * surroundings).astype(np.float64)
        surroundings = ndimage.gaussian_filter(grey * light, around) / (
            ndimage.gaussian_filter(light, around) + 1e-3
        )
    dark = (grey + _FLOOR) < _DARK * (surroundings + _FLOOR)
    radius = max(1, round(0.13 * side))  # borders are narrower
    ball = np.hypot(*np.mgrid[-radius : radius + 1, -radius : radius + 1]) <= radius
    spots, count = ndimage.label(ndimage.binary_opening(dark, ball))
    if count == 0:
        return 0.0
    areas = np.bincount(spots.ravel())
    cell = side**2
    fitting = (areas >= _LEAST * cell) & (areas <= _LARGEST * cell)
    fitting[0] = False
    # What the edge cuts may be a frame or a dark corner.
    fitting[np.concatenate([spots[0], spots[-1], spots[:, 0], spots[:, -1]])] = False
    return float(areas[fitting].sum()) / image.size
