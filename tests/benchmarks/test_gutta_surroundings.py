"""What is around guttae of the shipped generator against real ones: threads, and how cells crowd."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.mosaic.gutta_surroundings import (
    REAL_CROWDING,
    REAL_CROWDING_ERROR,
    REAL_THREADS,
    crowding_of,
    measure_thread,
    spacing_around,
    threads_of,
)
from endotwin.generator.checkpoint import load_checkpoint
from endotwin.generator.sampler import Sampler

SHIPPED = Path(__file__).resolve().parents[2] / "checkpoints" / "labelled.safetensors"


@pytest.fixture(scope="module")
def sampler() -> Sampler:
    return Sampler(load_checkpoint(SHIPPED))


def test_generated_threads_are_within_the_spread_of_real_ones(sampler: Sampler) -> None:
    threads = np.array(threads_of(sampler, 64))
    assert len(threads) > 100
    for values, (lowest, _, _, _, highest) in zip(threads.T, REAL_THREADS.values(), strict=True):
        assert lowest <= np.median(values) <= highest
        assert np.mean((values >= lowest) & (values <= highest)) > 0.6


def test_cells_crowd_around_generated_guttae_as_around_real_ones(sampler: Sampler) -> None:
    crowding = np.mean(crowding_of(sampler, 96))
    assert abs(crowding - REAL_CROWDING) < 2.0 * REAL_CROWDING_ERROR
    assert crowding < 0.99


def test_a_slanting_ridge_is_measured() -> None:
    rows, columns = np.indices((96, 96))
    away = (columns - 45.0 + rows - 50.0) / np.sqrt(2.0)
    ridge = 100.0 + 30.0 * np.exp(-0.5 * (away / 3.0) ** 2)
    width, brightness = measure_thread(ridge, 46, 50)
    assert width == pytest.approx(2.355 * 3.0, abs=0.5)
    assert brightness == pytest.approx(1.29, abs=0.02)


def test_spacing_is_that_of_a_grid() -> None:
    """Of a square grid, whose points have four nearest others at one step."""
    centres = np.stack(np.meshgrid(np.arange(5.0, 96.0, 10.0), np.arange(5.0, 96.0, 10.0)), axis=-1)
    away = np.hypot(*(np.indices((96, 96)) - 50.0))
    assert spacing_around(centres.reshape(-1, 2), away, 20.0) == pytest.approx(10.0)
    assert spacing_around(centres.reshape(-1, 2), away, 5.0) is None
