"""Smooth fields: the Gaussian blur is scipy's, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from endotwin.smooth_noise import gaussian_blur, smooth_noise


@given(
    blur=st.floats(0.01, 40),
    kind=st.sampled_from([np.float32, np.float64]),
    shape=st.sampled_from([(128, 128), (40, 70)]),
    seed=st.integers(0, 99),
)
def test_the_blur_is_that_of_scipy(blur: float, kind: type, shape: tuple[int, int], seed: int) -> None:
    image = np.random.default_rng(seed).standard_normal(shape).astype(kind)
    for beyond, mode in (("wrap", "wrap"), ("symmetric", "reflect")):
        found = gaussian_blur(image, blur, beyond)
        assert found.dtype == kind
        assert np.array_equal(found, gaussian_filter(image, blur, mode=mode))


def test_smooth_noise_has_a_deviation_of_one_and_is_smooth() -> None:
    field = smooth_noise(np.random.default_rng(0).standard_normal((128, 128)), 6.0)
    assert field.std() == pytest.approx(1.0)
    assert np.abs(np.diff(field, axis=0)).max() < 1.0
