"""Correlation and power spectrum, where their values are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from training.scores.image_statistics import image_statistics, mean_absolute_correlation, power_spectrum

SIZE = 128


def noise(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, size=(n, SIZE, SIZE), dtype=np.uint8)


def wave(across: int, down: int, amplitude: float = 100.0) -> np.ndarray:
    """Return a cosine of so many cycles per image from left to right and from top to bottom."""
    axis = 2 * np.pi * np.arange(SIZE) / SIZE
    grey = 127.5 + amplitude * np.cos(across * axis[None, :] + down * axis[:, None])
    return np.rint(grey).astype(np.uint8)


def test_independent_noise_correlates_by_chance_only() -> None:
    expected = math.sqrt(2 / math.pi) / SIZE
    assert mean_absolute_correlation(noise(30, 0)) == pytest.approx(expected, rel=0.1)


def test_equal_images_correlate_fully() -> None:
    image = noise(1, 1)[0]
    assert mean_absolute_correlation(np.stack([image] * 3)) == pytest.approx(1.0, abs=1e-5)


def test_a_shared_motif_is_seen_under_different_illumination() -> None:
    motif = (noise(1, 2)[0] // 4).astype(np.float64)
    ramp = np.linspace(0, 150, SIZE)
    lit = [ramp[None, :], ramp[::-1][None, :], ramp[:, None], ramp[::-1][:, None]]
    images = np.stack([(motif + light).astype(np.uint8) for light in lit])
    assert mean_absolute_correlation(images) > 0.99


def test_illumination_alone_counts_for_little() -> None:
    ramp = np.linspace(0, 150, SIZE)[None, :]
    images = np.stack([(image // 4 + ramp).astype(np.uint8) for image in noise(10, 3)])
    plain = mean_absolute_correlation(noise(10, 3) // 4)
    assert mean_absolute_correlation(images) < plain + 0.02


def test_image_without_detail_counts_nothing() -> None:
    flat = np.full((2, SIZE, SIZE), 90, dtype=np.uint8)
    assert mean_absolute_correlation(flat) == 0.0


def test_a_correlation_needs_two_images() -> None:
    with pytest.raises(ValueError, match="got 1"):
        mean_absolute_correlation(noise(1, 0))


def test_white_noise_is_flat_at_its_variance() -> None:
    spectrum = power_spectrum(noise(60, 4))
    variance = math.log10((256**2 - 1) / 12 / 127.5**2)
    assert set(spectrum) == {"radial", "horizontal", "vertical"}
    for decades in spectrum.values():
        assert len(decades) == SIZE // 2
        # The lowest frequencies have few members, so they scatter; taking off the mean lowers the first.
        np.testing.assert_allclose(decades[2:], variance, atol=0.1)
        assert np.mean(decades[8:]) == pytest.approx(variance, abs=0.01)


@pytest.mark.parametrize("cycles", [3, 20, 64])
def test_waves_peak_at_their_frequency_and_direction(cycles: int) -> None:
    across = power_spectrum(wave(cycles, 0)[None])
    down = power_spectrum(wave(0, cycles)[None])
    assert int(np.argmax(across["horizontal"])) + 1 == cycles
    assert int(np.argmax(down["vertical"])) + 1 == cycles
    assert across["horizontal"] == down["vertical"]
    assert max(across["vertical"]) < max(across["horizontal"]) - 4
    assert int(np.argmax(across["radial"])) + 1 == cycles


def test_oblique_wave_peaks_at_its_radius() -> None:
    assert int(np.argmax(power_spectrum(wave(30, 40)[None])["radial"])) + 1 == 50


def test_power_of_a_wave() -> None:
    """A Hann window of length S turns a cosine of amplitude a into S · a² / 6 at its frequency."""
    peak = max(power_spectrum(wave(20, 0)[None])["horizontal"])
    assert peak == pytest.approx(math.log10(SIZE * (100 / 127.5) ** 2 / 6), abs=0.01)


def test_black_image_has_a_finite_spectrum() -> None:
    for decades in power_spectrum(np.zeros((1, SIZE, SIZE), dtype=np.uint8)).values():
        assert np.isfinite(decades).all()


def test_statistics_of_both_sides() -> None:
    found = image_statistics(np.stack([wave(5, 0)] * 2), noise(2, 5))
    assert found.count == 2
    assert found.generated_correlation == pytest.approx(1.0, abs=1e-4)
    assert found.real_correlation < 0.1
    assert found.real_spectrum == power_spectrum(noise(2, 5))
    assert type(found).model_validate_json(found.model_dump_json()) == found
    with pytest.raises(ValueError, match="got 2 and 3"):
        image_statistics(noise(2, 0), noise(3, 0))
