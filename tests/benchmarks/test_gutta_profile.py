"""Guttae of the shipped generator against real ones: grey levels, edges, unevenness."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.mosaic.gutta_profile import REAL, GuttaMeasures, measure_generated, measure_gutta
from endotwin.generator.checkpoint import load_checkpoint
from endotwin.generator.sampler import Sampler

SHIPPED = Path(__file__).resolve().parents[2] / "checkpoints" / "labelled.safetensors"


@pytest.fixture(scope="module")
def generated() -> list[GuttaMeasures]:
    return measure_generated(Sampler(load_checkpoint(SHIPPED)), 64)


@pytest.mark.parametrize("name", list(REAL))
def test_generated_guttae_are_within_the_spread_of_real_ones(
    name: str, generated: list[GuttaMeasures]
) -> None:
    values = np.array([getattr(one, name) for one in generated])
    assert len(values) > 30
    lowest, low, _, high, highest = REAL[name]
    assert low <= np.nanmedian(values) <= high
    assert np.nanmean((values >= lowest) & (values <= highest)) >= 2 / 3


def test_a_blurred_disc_is_measured() -> None:
    rows, columns = np.indices((96, 96))
    disc = 200.0 - 80.0 / (1.0 + np.exp((np.hypot(columns - 45.0, rows - 50.0) - 18.0) / 1.2))
    found = measure_gutta(disc, 46.0, 49.0)
    assert found is not None
    assert found.area == pytest.approx(np.pi * 18.0**2, rel=0.06)
    assert found.inside == pytest.approx(0.6, abs=0.01)
    assert found.edge == pytest.approx(3.84 + 0.8, abs=0.8)  # 0.8 of the height over the steepest slope
    assert found.roughness < 0.08
    assert found.unevenness < 0.01
    assert measure_gutta(np.full((96, 96), 7.0), 40.0, 40.0) is None
