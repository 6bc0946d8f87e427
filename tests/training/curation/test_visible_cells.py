"""Where cells can be seen, on made-up pictures."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_mosaics import mosaic
from scipy.ndimage import gaussian_filter

from training.curation.visible_cells import SCALES, STEP, line_features, visible_share

LIGHT_LINES = slice(1, 2 * len(SCALES), 2)
"""Features of dark lines relative to light ones."""


def haze(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    clouds = gaussian_filter(rng.normal(0, 1, (256, 256)), 12) * 400
    return np.clip(120 + clouds + rng.normal(0, 2, clouds.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("spacing", [18.0, 24.0, 40.0])
def test_cells_are_seen_in_a_mosaic(spacing: float) -> None:
    assert visible_share(mosaic(0, 256, 256, spacing)) > 0.8


def test_cells_are_not_seen_in_haze_stripes_and_light() -> None:
    stripes = np.tile(100 + 20 * np.sin(np.arange(256) / 4), (256, 1)).astype(np.uint8)
    for picture in (haze(0), stripes, np.full((256, 256), 200, dtype=np.uint8)):
        assert visible_share(picture) < 0.3


def test_cells_out_of_focus_are_not_seen() -> None:
    shares = [visible_share(gaussian_filter(mosaic(0), sigma)) for sigma in (0, 2, 4, 6)]
    assert shares == sorted(shares, reverse=True)
    assert shares[2] < 0.2


def test_half_a_mosaic_is_half_seen() -> None:
    picture = mosaic(0, 256, 1024)
    picture[:, 512:] = np.hstack([haze(0), haze(1)])
    assert visible_share(picture) == pytest.approx(visible_share(picture[:, :512]) / 2, abs=0.1)


def test_a_negative_exchanges_dark_and_light_lines() -> None:
    picture = mosaic(0)
    positive, negative = line_features(picture), line_features(255 - picture)
    assert positive.shape == (256 // STEP, 256 // STEP, 2 * len(SCALES) + 1)
    np.testing.assert_allclose(positive[..., LIGHT_LINES], -negative[..., LIGHT_LINES], atol=0.01)


def test_strength_is_relative_to_the_brightness_and_to_the_width_of_the_line() -> None:
    # A dark line of depth d and width w, blurred by s: s² d w / (w² + s²)^(3/2); largest at s = √2 w.
    x = np.arange(256) - 128.0
    line = np.tile(150 - 60 * np.exp(-(x**2) / (2 * 2.2**2)), (256, 1)).astype(np.uint8)
    dark = line_features(line)[16, 16, 0 : 2 * len(SCALES) : 2]
    assert SCALES[int(dark.argmax())] in (3.2, 4.6)  # averaged over the window, wider lines count more
    dimmer = line_features(line // 2)[16, 16, 0 : 2 * len(SCALES) : 2]
    np.testing.assert_allclose(dimmer, dark, atol=0.1)


def test_stripes_are_coherent() -> None:
    stripes = np.tile(100 + 20 * np.sin(np.arange(256) / 3), (256, 1)).astype(np.uint8)
    assert line_features(stripes)[..., -1].min() > 0.95
    assert line_features(mosaic(0))[..., -1].mean() < 0.4
