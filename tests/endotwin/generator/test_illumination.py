"""The light of larger fields: no thread changes it, it repeats nowhere and varies within 128 pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from endotwin.field_size import FieldSize
from endotwin.generator.illumination import light_of_field, light_shapes
from endotwin.generator.labelled import LabelledArchitecture, LabelledGenerator
from endotwin.generator.renderer import _StyledConvolution
from endotwin.image_range import IMAGE_SIZE

SIZE = FieldSize(1024, 1024)


def numbers(seed: int, size: FieldSize = SIZE) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    smooth, waves = light_shapes(size)
    return torch.randn(1, *smooth, generator=generator), torch.randn(1, *waves, generator=generator)


def patches(seed: int) -> np.ndarray:
    """Return what takes the place of the ramp along rows, less its mean: (512, 512), two pixels each."""
    light = light_of_field(*numbers(seed), (512, 512))[0, 2].double().numpy()
    return np.asarray(light - light.mean())


def test_waves_without_chance_are_one_wave() -> None:
    smooth, waves = numbers(0)
    light = light_of_field(torch.zeros_like(smooth), torch.zeros_like(waves), (100, 160))[0].double()
    count = waves.shape[-1]
    x, y = 2.0 * torch.arange(160).double(), 2.0 * torch.arange(100).double()
    wave = 2.25 * torch.tanh(math.sqrt(2 * count) * torch.cos(2 * math.pi * x / 300 + math.pi) / 1.5)
    torch.testing.assert_close(light[2], wave.expand(100, 160), atol=1e-4, rtol=0)
    wave = 2.25 * torch.tanh(math.sqrt(2 * count) * torch.cos(2 * math.pi * y / 300 + math.pi) / 1.5)
    torch.testing.assert_close(light[3], wave[:, None].expand(100, 160), atol=1e-4, rtol=0)
    assert not light[:2].any()


@pytest.mark.parametrize("seed", range(4))
def test_light_does_not_come_again_along_a_side(seed: int) -> None:
    light = patches(seed)
    again = [float((light[:, lag:] * light[:, :-lag]).mean() / light.var()) for lag in range(100, 257)]
    assert max(again) < 0.6


@pytest.mark.parametrize("seed", range(4))
def test_light_varies_within_128_pixels_as_over_the_field(seed: int) -> None:
    light = patches(seed)
    side = IMAGE_SIZE // 2
    within = light.reshape(512 // side, side, 512 // side, side).std(axis=(1, 3)).mean()
    assert within > 0.5 * light.std()


@pytest.mark.parametrize("threads", [2, 3, 4, 5, 16])
def test_neither_light_nor_normalisation_depends_on_threads(threads: int) -> None:
    size = FieldSize(1016, 808)
    torch.manual_seed(0)
    layer = _StyledConvolution(4, 16, 8)
    fields, style = torch.randn(1, 4, 808, 1016).to(memory_format=torch.channels_last), torch.randn(1, 8)
    found = []
    before = torch.get_num_threads()
    try:
        for count in (1, threads):
            torch.set_num_threads(count)
            with torch.inference_mode():
                found.append((light_of_field(*numbers(0, size), (404, 508)), layer(fields, style)))
    finally:
        torch.set_num_threads(before)
    for alone, together in zip(*found, strict=True):
        assert torch.equal(alone, together)


def test_a_single_image_is_normalised_as_one_of_several() -> None:
    torch.manual_seed(0)
    layer = _StyledConvolution(4, 16, 8)
    fields, style = 3.0 + torch.randn(2, 4, 40, 56), torch.randn(2, 8)
    together = layer(fields, style)
    for row in range(2):
        alone = layer(fields[row : row + 1], style[row : row + 1])
        torch.testing.assert_close(alone[0], together[row], atol=2e-5, rtol=0)


def test_a_single_image_passes_on_its_gradient() -> None:
    torch.manual_seed(0)
    generator = LabelledGenerator(LabelledArchitecture(width=8))
    generator(torch.randn(1, generator.draws)).square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in generator.parameters())
