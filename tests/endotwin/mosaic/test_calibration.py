"""The surfaces of the calibration, against those of the library that they were fitted with."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.interpolate import bisplev

from benchmarks.mosaic.calibrate import fit_surfaces
from endotwin.mosaic.calibration import TABLE_PATH, evaluate_spline

TABLE = json.loads(TABLE_PATH.read_text())


@pytest.mark.parametrize("name", TABLE["surfaces"])
def test_the_surfaces_are_fitted_to_the_table(name: str) -> None:
    fitted = fit_surfaces(TABLE)[name]
    for stored, expected in zip(TABLE["surfaces"][name]["knots"], fitted["knots"], strict=True):
        np.testing.assert_allclose(stored, expected, rtol=1e-12)
    np.testing.assert_allclose(
        TABLE["surfaces"][name]["coefficients"], fitted["coefficients"], rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("name", TABLE["surfaces"])
def test_a_surface_is_what_the_library_makes_of_it(name: str) -> None:
    surface = TABLE["surfaces"][name]
    jitter_knots, spread_knots = map(np.array, surface["knots"])
    coefficients = np.array(surface["coefficients"])
    x = np.linspace(jitter_knots[0], jitter_knots[-1], 57)
    y = np.concatenate([spread_knots[3:-3], np.linspace(spread_knots[0], spread_knots[-1], 31)])
    y.sort()
    expected = bisplev(x, y, (jitter_knots, spread_knots, coefficients.ravel(), 3, 3))
    found = evaluate_spline(jitter_knots, spread_knots, coefficients, x, y)
    np.testing.assert_allclose(found, expected, rtol=1e-14)
