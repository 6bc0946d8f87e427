"""Guttae: dark spots of one to several cells, where excrescences lift the endothelium out of focus."""

from __future__ import annotations

import functools
import math

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

from endotwin.image_range import IMAGE_SIZE

_SPOTS = 24
_SPOT_NUMBERS = 3
_OUTLINE = 8
GUTTAE_NUMBERS = 1 + _SPOTS * _SPOT_NUMBERS + _OUTLINE**2
"""Standard normal numbers per image: how many, position (2) and radius of each, and their outline."""

_MEDIAN_RADIUS, _RADIUS_LOG_SD = 12.0, 0.4
_SPOT_SHARE = 0.02
"""Share of the image that a spot takes, on average."""

_MARGIN = 8.0
_ROUGHNESS = 0.25
_SOFTNESS = 3.0


def draw_guttae(numbers: np.ndarray, share: float) -> np.ndarray:
    """Draw guttae that cover a share of the image, to within one pixel.

    Rough discs grow together until they cover the share, so that many guttae become confluent.

    Args:
        numbers: (GUTTAE_NUMBERS,) standard normal.
        share: 0 to 1.

    Returns:
        bool (128, 128).
    """
    wanted = round(share * IMAGE_SIZE**2)
    if wanted == 0:
        return np.zeros((IMAGE_SIZE, IMAGE_SIZE), dtype=bool)
    uniform = 0.5 * (1.0 + _erf(numbers[: 1 + _SPOTS * _SPOT_NUMBERS].astype(np.float64) / math.sqrt(2.0)))
    spots = math.ceil(share / _SPOT_SHARE * (0.4 + 1.2 * uniform[0]))
    spots = min(max(spots, 1), _SPOTS)
    centres = uniform[1 : 1 + 2 * _SPOTS].reshape(_SPOTS, 2)[:spots] * (IMAGE_SIZE + 2 * _MARGIN) - _MARGIN
    radii = _MEDIAN_RADIUS * np.exp(
        _RADIUS_LOG_SD * numbers[1 + 2 * _SPOTS : 1 + 3 * _SPOTS][:spots].astype(np.float64)
    )
    axis = np.arange(IMAGE_SIZE) + 0.5
    away = np.hypot(axis - centres[:, 0, None, None], axis[:, None] - centres[:, 1, None, None])
    height = (1.0 - away / radii[:, None, None]).max(axis=0)
    outline = numbers[-(_OUTLINE**2) :].reshape(_OUTLINE, _OUTLINE).astype(np.float64)
    height += _ROUGHNESS * (_enlarging() @ outline @ _enlarging().T)
    highest = np.argsort(height.ravel(), kind="stable")[-wanted:]
    covered = np.zeros(IMAGE_SIZE**2, dtype=bool)
    covered[highest] = True
    return covered.reshape(IMAGE_SIZE, IMAGE_SIZE)


def soften(guttae: np.ndarray) -> np.ndarray:
    """Blur a mask of guttae: float32 (128, 128), 0 to 1."""
    if not guttae.any():
        return np.zeros(guttae.shape, dtype=np.float32)
    soft: np.ndarray = gaussian_filter(guttae.astype(np.float32), _SOFTNESS, mode="nearest")
    return soft


@functools.cache
def _enlarging() -> np.ndarray:
    """Return the matrix (128, 8) of cubic interpolation: numbers along an axis → pixels along it."""
    matrix: np.ndarray = zoom(np.eye(_OUTLINE), (IMAGE_SIZE / _OUTLINE, 1), order=3, mode="reflect")
    return matrix


_erf = np.vectorize(math.erf, otypes=[np.float64])
