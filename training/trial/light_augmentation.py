"""Light changes of batches to train a segmenter on, the same for every way of training."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from training.trial.batches import Batch
from training.trial.smooth_noise import smoothed

_GAMMA = 0.4  # natural logarithm: exponents from 0.67 to 1.49
_CONTRAST = 0.3  # natural logarithm
_BRIGHTNESS = 0.15  # of the range from black to white
_CHANCE = 0.7  # of blotches, and of patches of other contrast
_BLOTCHES = 0.8  # largest amplitude (standard deviation), of the image's own
_BLOTCH_SIZES = (2.5, 12.0)  # standard deviation of the blur that makes them, pixels
_PATCHES = 0.4  # largest amplitude, natural logarithm of the contrast
_PATCH_SIZES = (8.0, 30.0)
_BLUR = 0.8  # largest standard deviation, pixels
_NOISE = 0.03  # largest standard deviation, of the range


def augmented(batch: Batch, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turn and mirror each image with its labels, and change its grey levels a little.

    Blotches of light from smaller to larger than a cell, and patches of higher or lower contrast, as haze
    makes them: without these a segmenter cuts hazy cells in two. Then gamma, contrast, brightness, blur
    and noise.

    Returns:
        Images float32 (16, 128, 128) from 0 to 1, borders and areas bool of the same shape.
    """
    changed = [
        _changed(image, border, area, rng)
        for image, border, area in zip(batch.images, batch.borders, batch.areas, strict=True)
    ]
    images, borders, areas = (np.stack(parts) for parts in zip(*changed, strict=True))
    return images, borders, areas


def _changed(
    image: np.ndarray, border: np.ndarray, area: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    quarter, mirror = int(rng.integers(4)), bool(rng.integers(2))
    image, border, area = (
        np.rot90(np.flipud(part) if mirror else part, quarter) for part in (image, border, area)
    )
    grey = image.astype(np.float32) / 255
    if rng.random() < _CHANCE:
        blotches = _smooth_field(grey.shape, _BLOTCH_SIZES, rng)
        grey = grey + rng.uniform(0, _BLOTCHES) * grey.std() * blotches
    if rng.random() < _CHANCE:
        contrast = np.exp(rng.uniform(0, _PATCHES) * _smooth_field(grey.shape, _PATCH_SIZES, rng))
        grey = grey.mean() + (grey - grey.mean()) * contrast
    grey = grey.clip(0, 1) ** np.exp(rng.uniform(-_GAMMA, _GAMMA))
    grey = (grey - 0.5) * np.exp(rng.uniform(-_CONTRAST, _CONTRAST)) + 0.5
    grey += rng.uniform(-_BRIGHTNESS, _BRIGHTNESS)
    if rng.integers(2):
        grey = ndimage.gaussian_filter(grey, rng.uniform(0, _BLUR))
    grey = grey + rng.uniform(0, _NOISE) * rng.standard_normal(grey.shape, dtype=np.float32)
    return grey.clip(0, 1).astype(np.float32), border, area


def _smooth_field(
    shape: tuple[int, ...], sizes: tuple[float, float], rng: np.random.Generator
) -> np.ndarray:
    """Return white noise blurred to a size between the two, float32, with standard deviation 1."""
    noise = rng.standard_normal(shape, dtype=np.float32)
    return smoothed(noise, np.exp(rng.uniform(*np.log(sizes))))
