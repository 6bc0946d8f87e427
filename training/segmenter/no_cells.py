"""Images, or parts of them, that show no cells: a segmenter that has seen none finds cells everywhere."""

from __future__ import annotations

import numpy as np

from endotwin.smooth_noise import gaussian_blur, smooth_noise

_WHOLE, _PART = 0.12, 0.12
"""Chances that an image shows no cells at all, and that a part of it does not."""

_SPECKLES = (0.3, 6.0)  # standard deviation of the blur, pixels
_HAZE = (5.0, 20.0)
_SHAPES = (3.0, 16.0)
_PARTS = (10.0, 30.0)
_SHARES = (0.15, 0.7)  # of an image
_SOFT = 2.0  # standard deviation of the blur of a part's edge, pixels
_MIXED = (0.1, 0.9)  # between these an edge pixel is neither cells nor none


def with_parts_without_cells(
    image: np.ndarray, bands: np.ndarray, area: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Take the cells away from some images, and from parts of some, made of the images themselves.

    Args:
        image: uint8 grey levels (H, W).
        bands: bool (H, W), borders.
        area: bool (H, W), where they are known.
        rng: random numbers.

    Returns:
        The three; there are no borders where no cells are, which is known but at the edge of such a part.
    """
    chance = rng.random()
    if chance >= _WHOLE + _PART:
        return image, bands, area
    empty = without_cells(image, rng)
    if chance < _WHOLE:
        return empty, np.zeros_like(bands), np.ones_like(area)
    noise = smooth_noise(rng.standard_normal(image.shape, dtype=np.float32), _blur(_PARTS, rng))
    there = noise > np.quantile(noise, 1 - rng.uniform(*_SHARES))
    share = gaussian_blur(there.astype(np.float32), _SOFT, "symmetric")
    mixed = image + share * (empty.astype(np.float32) - image)
    certain = (share <= _MIXED[0]) | (share >= _MIXED[1])
    return mixed.round().astype(np.uint8), bands & ~there, (area | there) & certain


def without_cells(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return an image, uint8 (H, W), of the grey levels of another one but without its cells.

    Its Fourier phases drawn anew; its pixels in another order, as speckles; its haze; or shapes of two
    grey levels.
    """
    grey = image.astype(np.float32)
    kind = int(rng.integers(4))
    if kind == 0:
        phases = np.fft.rfft2(rng.standard_normal(image.shape))
        spectrum = np.abs(np.fft.rfft2(grey))
        made = np.fft.irfft2(spectrum * phases / np.abs(phases), image.shape)
    elif kind == 1:
        made = gaussian_blur(rng.permuted(grey.ravel()).reshape(image.shape), _blur(_SPECKLES, rng), "wrap")
    elif kind == 2:
        made = gaussian_blur(grey, _blur(_HAZE, rng), "symmetric")
    else:
        shapes = smooth_noise(rng.standard_normal(image.shape, dtype=np.float32), _blur(_SHAPES, rng))
        made = gaussian_blur((shapes > rng.normal()).astype(np.float32), rng.uniform(0, 1.5), "symmetric")
    made = (made - made.mean()) / max(float(made.std()), 1e-6)
    noise = rng.standard_normal(image.shape)
    made = made + rng.uniform(0, 0.3) * noise
    return np.asarray(
        (grey.mean() + rng.uniform(0.2, 1) * grey.std() * made).clip(0, 255).round(), np.uint8
    )


def _blur(limits: tuple[float, float], rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(*np.log(limits))))
