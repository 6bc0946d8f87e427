"""The norms by age, at the ages at which they were published."""

from __future__ import annotations

import pytest

from endotwin.mosaic.age import norms_at


def test_bourne_nelson_and_hodge_1997() -> None:
    first, second = norms_at(48.9), norms_at(59.5)
    assert second.density == pytest.approx(2539, abs=1)
    assert first.density == pytest.approx(2715, rel=0.005)
    assert (first.cv, second.cv) == (pytest.approx(0.26), pytest.approx(0.29))
    assert (first.hexagonality, second.hexagonality) == (pytest.approx(0.67), pytest.approx(0.64))
    assert second.density * second.density_log_sd == pytest.approx(284, abs=1)


def test_density_falls_by_their_rates() -> None:
    assert norms_at(61.0).density / norms_at(60.0).density == pytest.approx(1 - 0.006, abs=1e-4)
    assert norms_at(11.0).density / norms_at(10.0).density == pytest.approx(1 - 0.011, abs=1e-4)
    assert norms_at(19.999).density == pytest.approx(norms_at(20.001).density, rel=1e-4)


def test_old_and_young() -> None:
    ages = [5, 15, 30, 50, 70, 85, 105]
    norms = [norms_at(age) for age in ages]
    assert sorted((n.density for n in norms), reverse=True) == [n.density for n in norms]
    assert sorted(n.cv for n in norms) == [n.cv for n in norms]
    assert sorted((n.hexagonality for n in norms), reverse=True) == [n.hexagonality for n in norms]
    assert 3300 < norms[1].density < 3500
    assert 2050 < norms[5].density < 2350
    # Nobody measured children's cv and hexagonality: they stay those of the youngest adults.
    assert norms[0].cv == norms[2].cv == pytest.approx(0.29 - 0.03 * 29.5 / 10.6)
    assert norms[5].hexagonality == norms[6].hexagonality
