"""Smooth random fields: what varies over an image without edges."""

from __future__ import annotations

import numpy as np


def smooth_noise(noise: np.ndarray, blur: float) -> np.ndarray:
    """Return white noise (H, W) blurred by a Gaussian of that many pixels, with standard deviation 1."""
    from scipy.ndimage import gaussian_filter  # noqa: PLC0415

    field = gaussian_filter(noise, blur, mode="wrap")
    return np.asarray(field / field.std())
