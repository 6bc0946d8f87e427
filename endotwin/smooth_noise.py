"""Smooth random fields: what varies over an image without edges."""

from __future__ import annotations

from typing import Literal

import numpy as np

_REACH = 4.0
"""Where the Gaussian is cut off, in standard deviations."""


def gaussian_blur(image: np.ndarray, blur: float, beyond: Literal["wrap", "symmetric"]) -> np.ndarray:
    """Blur an image by a Gaussian; the numbers are those of `scipy.ndimage.gaussian_filter`.

    Args:
        image: floating point (H, W).
        blur: standard deviation in pixels.
        beyond: what lies beyond the edges: the other side of the image, or its mirror image.

    Returns:
        The same shape and type.
    """
    from endotwin.blur_kernel import blur_rows  # noqa: PLC0415

    reach = int(_REACH * blur + 0.5)
    if not reach:
        return image
    away = np.arange(-reach, reach + 1)
    taps = np.exp(-0.5 / (blur * blur) * away**2)
    taps = (taps / taps.sum())[reach:]
    for _ in range(2):  # down, then across; between the two in the type of the image, as scipy does
        padded = np.pad(image.T, ((0, 0), (reach, reach)), mode=beyond).astype(np.float64, order="C")
        image = blur_rows(padded, taps).astype(image.dtype)
    return image


def smooth_noise(noise: np.ndarray, blur: float) -> np.ndarray:
    """Return white noise (H, W) blurred by a Gaussian of that many pixels, with standard deviation 1."""
    field = gaussian_blur(noise, blur, "wrap")
    return np.asarray(field / field.std())
