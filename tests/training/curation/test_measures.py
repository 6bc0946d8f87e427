"""Each measure on pictures whose value is known."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_mosaics import mosaic
from scipy.ndimage import gaussian_filter

from training.curation.image_files import DecodedImage
from training.curation.measures import WORKING_SIDE, measure_field, measure_whole, reduced


def stripes(contrast: float = 20.0) -> np.ndarray:
    wave = 100 + contrast * np.sin(np.arange(256) * 2 * np.pi / 17)
    return np.round(np.tile(wave, (256, 1))).astype(np.uint8)


def test_stripes_are_coherent_and_a_mosaic_is_not() -> None:
    assert measure_field(stripes()).coherence == pytest.approx(1.0, abs=0.02)
    assert measure_field(stripes().T).coherence == pytest.approx(1.0, abs=0.02)
    assert measure_field(mosaic(0)).coherence < 0.4


def test_contrast_is_relative_to_the_brightness() -> None:
    # A sine of amplitude a has the standard deviation a / √2; the band of cells passes most of it.
    contrast = measure_field(stripes(20)).contrast
    assert 0.5 * 20 / np.sqrt(2) / 105 < contrast < 20 / np.sqrt(2) / 105
    assert measure_field(stripes(10)).contrast == pytest.approx(contrast / 2, rel=0.05)
    assert measure_field(stripes(20) // 2).contrast == pytest.approx(contrast, rel=0.06)


def test_sparseness_is_the_excess_kurtosis() -> None:
    # A sine of one frequency: 3/2 - 3.
    assert measure_field(stripes()).sparseness == pytest.approx(-1.5, abs=0.1)
    dots = np.full((256, 256), 100, dtype=np.uint8)
    dots[32::64, 32::64] = 255
    assert measure_field(dots).sparseness > 3


def test_sparseness_of_an_even_picture_is_none() -> None:
    even = measure_field(np.full((64, 64), 90, dtype=np.uint8))
    assert (even.sparseness, even.coherence, even.contrast) == pytest.approx((0, 0, 0), abs=1e-6)


def test_blur_grows_with_blur() -> None:
    sharp = mosaic(1)
    values = [measure_field(gaussian_filter(sharp, sigma)).blur for sigma in (0, 1, 2, 4)]
    assert values == sorted(values)
    assert values[0] < 0.5 < values[3]


def test_brightness_and_saturated_share() -> None:
    pixels = np.full((100, 100), 60, dtype=np.uint8)
    pixels[:25] = 250
    measured = measure_field(pixels)
    assert measured.brightness == pytest.approx(0.75 * 60 + 0.25 * 250)
    assert measured.saturated == 0.25
    assert measure_field(pixels[25:], with_bands=pixels).saturated == 0.25
    assert measure_field(pixels[25:]).saturated == 0


def test_measures_of_the_whole_image() -> None:
    grey = np.zeros((100, 200), dtype=np.uint8)
    grey[:, :30] = 99
    chroma = np.zeros_like(grey)
    chroma[:50] = 80
    measured = measure_whole(DecodedImage(grey, chroma), side=100)
    assert (measured.side, measured.lightest_tenth, measured.range, measured.colour) == (100, 99, 99, 0.5)


def test_large_images_are_reduced_by_a_whole_factor() -> None:
    grey = np.full((1500, 2 * WORKING_SIDE + 1), 77, dtype=np.uint8)
    small, factor = reduced(DecodedImage(grey, grey))
    assert factor == 3
    assert small.grey.shape == (500, 683)
    assert (small.grey == 77).all()
    assert small.chroma is not None
    untouched, factor = reduced(small)
    assert (untouched, factor) == (small, 1)
