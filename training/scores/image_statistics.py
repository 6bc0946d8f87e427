"""Faults that FID does not show: motifs that repeat from image to image, and a wrong power spectrum.

A generator that draws one lattice under changing illumination, or grain where the instrument has rows, can
still score well; these measures, beside those of real images, show both.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from endotwin.generator.card import ImageStatistics

HIGH_PASS_SIGMA = 8.0
"""Pixels. Halves what is longer than about 43 pixels: illumination, not cells and their borders."""

_FLOOR = 1e-12
"""Least power that is reported, as 0 has no logarithm. (-1..1, so -120 dB.)"""


def mean_absolute_correlation(images: np.ndarray) -> float:
    """Return the mean |Pearson correlation| over all pairs of different high-passed images.

    The high pass subtracts a Gaussian mean of `HIGH_PASS_SIGMA` pixels. Independent white noise of N
    pixels gives about √(2 / (π N)), equal images give 1. An image without any detail counts 0 with all.

    Args:
        images: uint8 grey levels (n, H, W), n at least 2.

    Raises:
        ValueError: fewer than two images.
    """
    if len(images) < 2:
        raise ValueError(f"a correlation needs two images, got {len(images)}")
    rows = np.empty((len(images), images[0].size), dtype=np.float32)
    for row, image in zip(rows, images, strict=True):
        grey = image.astype(np.float64)
        detail = grey - gaussian_filter(grey, HIGH_PASS_SIGMA, mode="reflect")
        detail -= detail.mean()
        norm = np.linalg.norm(detail)
        # Below a millionth of a grey level there is rounding only.
        row[:] = (detail / norm).ravel() if norm > 1e-6 * np.sqrt(detail.size) else 0.0
    correlations = np.abs(rows @ rows.T)
    np.fill_diagonal(correlations, 0.0)
    return float(correlations.sum(dtype=np.float64) / (len(rows) * (len(rows) - 1)))


def power_spectrum(images: np.ndarray) -> dict[str, tuple[float, ...]]:
    """Return the mean power spectrum of square images: radial, horizontal, vertical.

    Grey levels are scaled to -1..1, the mean (of the image, or of the row or column) is taken off and a
    Hann window laid over it: without one the jump between opposite edges drowns the fine structure. Power
    is scaled so that white noise of variance v gives v at every frequency.

    Args:
        images: uint8 grey levels (n, S, S).

    Returns:
        Decades (log10 of power) at 1, 2, … S / 2 cycles per image, under three names: `radial`, the mean
        over the ring of frequencies that round to it; `horizontal`, of rows (left to right), mean over all
        rows; `vertical`, of columns.
    """
    if images.ndim != 3 or len(images) == 0 or images.shape[1] != images.shape[2]:
        raise ValueError(f"images must be square, (n, S, S) with n at least 1, got {images.shape}")
    size = images.shape[1]
    half = size // 2
    window = np.hanning(size + 1)[:-1]
    square = window[:, None] * window[None, :]
    frequency = np.fft.fftfreq(size, 1.0 / size)
    ring = np.rint(np.hypot(frequency[:, None], frequency[None, :])).astype(np.int64).ravel()
    members = np.bincount(ring)
    radial, horizontal, vertical = np.zeros(len(members)), np.zeros(half + 1), np.zeros(half + 1)
    for image in images:
        grey = image.astype(np.float64) / 127.5 - 1.0
        grey -= grey.mean()
        power = np.abs(np.fft.fft2(grey * square)) ** 2 / (square**2).sum()
        radial += np.bincount(ring, weights=power.ravel()) / members
        horizontal += _line_power(grey, window)
        vertical += _line_power(grey.T, window)
    return {
        "radial": _decades(radial[1 : half + 1] / len(images)),
        "horizontal": _decades(horizontal[1:] / len(images)),
        "vertical": _decades(vertical[1:] / len(images)),
    }


def _line_power(grey: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Return the power of the rows of an image at 0 to S / 2 cycles, mean over the rows."""
    lines = (grey - grey.mean(axis=1, keepdims=True)) * window
    power: np.ndarray = (np.abs(np.fft.rfft(lines, axis=1)) ** 2).mean(axis=0) / (window**2).sum()
    return power


def _decades(power: np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(value), 4) for value in np.log10(np.maximum(power, _FLOOR)))


def image_statistics(generated: np.ndarray, real: np.ndarray) -> ImageStatistics:
    """Measure generated images and real crops, as many of each.

    Args:
        generated: uint8 grey levels (n, 128, 128) of different indices.
        real: uint8 grey levels (n, 128, 128), random crops.

    Raises:
        ValueError: the counts differ, or are below two.
    """
    if len(generated) != len(real):
        raise ValueError(
            f"as many generated as real images are needed, got {len(generated)} and {len(real)}"
        )
    return ImageStatistics(
        count=len(generated),
        generated_correlation=round(mean_absolute_correlation(generated), 5),
        real_correlation=round(mean_absolute_correlation(real), 5),
        generated_spectrum=power_spectrum(generated),
        real_spectrum=power_spectrum(real),
    )
