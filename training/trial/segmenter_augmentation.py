"""Augmentation of a segmenter's training images, and the displacement of synthetic borders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from training.trial.batches import BorderBatch

DISPLACEMENT = 0.7
"""Standard deviation of the displacement along each axis that changes from place to place, pixels: as far
as experts' lines lie from a segmenter's, once their mean is subtracted."""

DISPLACEMENT_BLUR = 6.0
"""Standard deviation of the blur that makes it smooth, pixels: shorter than a border is long."""

SHIFT = 0.4
"""Standard deviation of the displacement along each axis that all borders of an image share, pixels."""

_GAMMA = 0.4  # natural logarithm: exponents from 0.67 to 1.49
_CONTRAST = 0.3  # natural logarithm
_BRIGHTNESS = 0.15  # of the range from black to white
_CHANCE = 0.7  # of blotches, and of patches of other contrast
_BLOTCHES = 0.8  # largest amplitude (standard deviation), of the image's own
_BLOTCH_BLURS = (2.5, 12.0)  # standard deviation, pixels
_PATCHES = 0.4  # largest amplitude, natural logarithm of the contrast
_PATCH_BLURS = (8.0, 30.0)  # standard deviation, pixels
_BLUR = 0.8  # largest standard deviation, pixels
_NOISE = 0.03  # largest standard deviation, of the range


def displaced_borders(bands: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Displace border bands, bool (H, W), by a smooth random field; bool (H, W).

    Borders that an expert draws lie near the true ones, not exactly on them. A segmenter that learns from
    exact labels is overconfident and finds several borders where one is hard to see (docs/trial.md has the
    measurements).
    """
    places = []
    for axis in np.indices(bands.shape, dtype=np.float32):
        noise = rng.standard_normal(bands.shape, dtype=np.float32)
        smooth = DISPLACEMENT * _smooth_noise(noise, DISPLACEMENT_BLUR)
        places.append(axis + smooth + SHIFT * rng.standard_normal())
    grey = ndimage.map_coordinates(bands.astype(np.float32), places, order=1, mode="nearest")
    return np.asarray(grey > 0.5)


def augmented(batch: BorderBatch, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Turn and mirror each image with its labels, and change its grey levels a little.

    Blotches of light from smaller to larger than a cell and patches of higher or lower contrast imitate
    haze: without them a segmenter cuts hazy cells in two. Then gamma, contrast, brightness, blur and noise.

    Returns:
        Images float32 (16, 128, 128) from 0 to 1, borders and areas bool of the same shape.
    """
    changed = [
        _augmented_image(image, border, area, rng)
        for image, border, area in zip(batch.images, batch.borders, batch.areas, strict=True)
    ]
    images, borders, areas = (np.stack(parts) for parts in zip(*changed, strict=True))
    return images, borders, areas


def _augmented_image(
    image: np.ndarray, border: np.ndarray, area: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    quarter, mirror = int(rng.integers(4)), bool(rng.integers(2))
    image, border, area = (
        np.rot90(np.flipud(part) if mirror else part, quarter) for part in (image, border, area)
    )
    grey = image.astype(np.float32) / 255
    if rng.random() < _CHANCE:
        blotches = _noise_of_random_blur(grey.shape, _BLOTCH_BLURS, rng)
        grey = grey + rng.uniform(0, _BLOTCHES) * grey.std() * blotches
    if rng.random() < _CHANCE:
        contrast = np.exp(rng.uniform(0, _PATCHES) * _noise_of_random_blur(grey.shape, _PATCH_BLURS, rng))
        grey = grey.mean() + (grey - grey.mean()) * contrast
    grey = grey.clip(0, 1) ** np.exp(rng.uniform(-_GAMMA, _GAMMA))
    grey = (grey - 0.5) * np.exp(rng.uniform(-_CONTRAST, _CONTRAST)) + 0.5
    grey += rng.uniform(-_BRIGHTNESS, _BRIGHTNESS)
    if rng.integers(2):
        grey = ndimage.gaussian_filter(grey, rng.uniform(0, _BLUR))
    grey = grey + rng.uniform(0, _NOISE) * rng.standard_normal(grey.shape, dtype=np.float32)
    return grey.clip(0, 1).astype(np.float32), border, area


def _noise_of_random_blur(
    shape: tuple[int, ...], blurs: tuple[float, float], rng: np.random.Generator
) -> np.ndarray:
    noise = rng.standard_normal(shape, dtype=np.float32)
    return _smooth_noise(noise, np.exp(rng.uniform(*np.log(blurs))))


def _smooth_noise(noise: np.ndarray, blur: float) -> np.ndarray:
    """Return white noise (H, W) blurred by a Gaussian of that many pixels, with standard deviation 1."""
    field = ndimage.gaussian_filter(noise, blur, mode="wrap")
    return np.asarray(field / field.std())
