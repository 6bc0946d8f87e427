"""The loss on power spectra: closed forms, and that following it closes the gap."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training.learning.spectrum import PowerSpectrum, SpectrumGap
from training.scores.image_statistics import power_spectrum

SIZE = 32
HALF = SIZE // 2


def noise(count: int, seed: int, scale: float = 0.2) -> torch.Tensor:
    return scale * torch.randn(count, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))


def of(instrument: int, count: int) -> torch.Tensor:
    return torch.full((count,), instrument)


def test_white_noise_has_its_variance_everywhere() -> None:
    power = PowerSpectrum(SIZE)(noise(4000, 0)).mean(dim=0)
    assert power.shape == (3 * HALF,)
    # Taking off the mean costs the lowest frequencies some power.
    assert torch.allclose(power.reshape(3, HALF)[:, 2:], torch.tensor(0.04), rtol=0.08)


def test_it_is_the_spectrum_that_the_card_reports() -> None:
    """Rings count half of the plane here, where the other half mirrors it."""
    levels = np.random.default_rng(0).integers(0, 256, (40, SIZE, SIZE), dtype=np.uint8)
    images = torch.from_numpy(levels)[:, None].float() / 127.5 - 1.0
    found = PowerSpectrum(SIZE)(images).mean(dim=0).log10().numpy().reshape(3, HALF)
    told = power_spectrum(levels)
    assert np.allclose(found[1], told["horizontal"], atol=1e-3)
    assert np.allclose(found[2], told["vertical"], atol=1e-3)
    assert np.allclose(found[0, :-1], told["radial"][:-1], atol=0.05)


def test_a_wave_along_rows_is_in_rows_alone() -> None:
    wave = torch.cos(2 * torch.pi * 8 * torch.arange(SIZE) / SIZE).expand(1, 1, SIZE, SIZE)
    rows, columns = PowerSpectrum(SIZE)(wave)[0].reshape(3, HALF)[1:]
    assert int(rows.argmax()) == 7  # 8 cycles
    assert float(columns.max()) < 1e-9


def test_nothing_is_lost_where_spectra_agree_and_nothing_said_before_there_is_enough() -> None:
    gap = SpectrumGap(SIZE, 1)
    images = noise(40, 1)
    push, told = gap(images, of(0, 40), images, of(0, 40))
    assert (float(push), float(told)) == (0.0, 0.0)
    _, told = gap(images, of(0, 40), 2.0 * images, of(0, 40))
    assert float(told) == pytest.approx(np.log(2.5) ** 2, rel=1e-4)  # means of 1 and 4 are 2.5


def test_each_instrument_is_compared_with_its_own() -> None:
    gap = SpectrumGap(SIZE, 2)
    loud, quiet = noise(100, 2, 0.4), noise(100, 3, 0.1)
    both = torch.cat([of(0, 100), of(1, 100)])
    _, told = gap(torch.cat([loud, quiet]), both, torch.cat([loud, quiet]), both)
    assert float(told) == 0.0
    _, told = SpectrumGap(SIZE, 1)(loud, of(0, 100), quiet, of(0, 100))
    assert float(told) == pytest.approx(np.log(16.0) ** 2, rel=0.1)


def test_the_gradient_is_that_of_the_gap() -> None:
    gap = SpectrumGap(SIZE, 1)
    real, fake = noise(64, 4), noise(64, 5)
    scale = torch.tensor(1.5, requires_grad=True)
    push, _ = gap(real, of(0, 64), scale * fake, of(0, 64))
    torch.autograd.backward(push)
    ratio = torch.log(PowerSpectrum(SIZE)(1.5 * fake).mean(0) / PowerSpectrum(SIZE)(real).mean(0))
    # Power grows as the square of the scale: d/ds mean(log ratio ** 2) = mean(4 log ratio) / s.
    assert scale.grad is not None
    assert float(scale.grad) == pytest.approx(float((4.0 * ratio).mean()) / 1.5, rel=1e-3)


def test_following_it_finds_the_right_filter() -> None:
    gap = SpectrumGap(SIZE, 1)
    strength = torch.tensor(1.5, requires_grad=True)
    descent = torch.optim.SGD([strength], 0.01)  # slow beside the running means, as a generator is
    for step in range(400):
        push, told = gap(noise(16, 2 * step), of(0, 16), strength * noise(16, 2 * step + 1), of(0, 16))
        descent.zero_grad()
        torch.autograd.backward(push)
        descent.step()
    assert strength.item() == pytest.approx(1.0, abs=0.05)
    assert float(told) < 0.01


def test_it_resumes_as_if_uninterrupted() -> None:
    one, other = SpectrumGap(SIZE, 2), SpectrumGap(SIZE, 2)
    mixed = torch.tensor([0, 1] * 40)
    one(noise(80, 6), mixed, noise(80, 7), mixed)
    other.load_state_dict(one.state_dict())
    found = [float(x) for gap in (one, other) for x in gap(noise(80, 8), mixed, noise(80, 9), mixed)]
    assert found[:2] == found[2:]
