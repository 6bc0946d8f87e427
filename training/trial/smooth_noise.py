"""Random fields that change slowly from place to place."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def smoothed(noise: np.ndarray, size: float) -> np.ndarray:
    """Return white noise (H, W) blurred by a Gaussian of that many pixels, with standard deviation 1."""
    field = ndimage.gaussian_filter(noise, size, mode="wrap")
    return np.asarray(field / field.std())
