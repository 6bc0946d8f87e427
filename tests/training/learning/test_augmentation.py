"""Augmentation moves and relights each image on its own, within limits, and lets gradients through."""

from __future__ import annotations

import pytest
import torch

from training.learning.augmentation import MAX_BRIGHTNESS, MAX_CONTRAST, MAX_SHIFT, augment


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def positions(count: int, seed: int) -> torch.Tensor:
    """Augment images that have one bright pixel in the middle; return where it went, (count, 2)."""
    images = torch.zeros(count, 1, 64, 64)
    images[:, :, 32, 32] = 1.0
    flat = augment(images, seeded(seed)).flatten(1).argmax(dim=1)
    return torch.stack([flat // 64 - 32, flat % 64 - 32], dim=1)


def test_every_shift_up_to_the_largest_comes_as_often_along_both_axes() -> None:
    count = 5_000
    shifts = positions(count, 1)
    places = 2 * MAX_SHIFT + 1
    for axis in (0, 1):
        values, counts = shifts[:, axis].unique(return_counts=True)
        assert values.tolist() == list(range(-MAX_SHIFT, MAX_SHIFT + 1))
        expected = count / places
        chi_square = float(((counts - expected) ** 2 / expected).sum())
        assert abs(chi_square - (places - 1)) < 5 * (2 * (places - 1)) ** 0.5
    correlation = float(torch.corrcoef(shifts.T.float())[0, 1])
    assert abs(correlation) < 5 / count**0.5


def test_brightness_and_contrast_stay_within_their_limits() -> None:
    pattern = torch.tensor([[-0.5, 0.5], [0.5, -0.5]]).repeat(64, 64)[None, None].repeat(500, 1, 1, 1)
    changed = augment(pattern, seeded(2))
    brightness = changed.mean(dim=(1, 2, 3))
    contrast = changed.amax(dim=(1, 2, 3)) - changed.amin(dim=(1, 2, 3))
    for found, middle, limit in ((brightness, 0.0, MAX_BRIGHTNESS), (contrast, 1.0, MAX_CONTRAST)):
        assert float((found - middle).abs().max()) <= limit + 1e-5
        assert float(found.max()) > middle + 0.95 * limit
        assert float(found.min()) < middle - 0.95 * limit


def test_what_is_shifted_out_is_mirrored_in() -> None:
    """No grey level appears that the image does not have, relit: nothing is filled with a constant."""
    ramp = torch.linspace(-1, 1, 128).expand(1, 1, 128, 128)
    for seed in range(20):
        changed = augment(ramp, seeded(seed))[0, 0]
        steps = changed[0].diff()
        assert float(steps.abs().max()) < 2.0 / 127 * (1 + MAX_CONTRAST) + 1e-5
        assert torch.equal(changed[0], changed[-1])


def test_the_same_seed_augments_in_the_same_way_and_images_differ() -> None:
    image = torch.rand(1, 1, 32, 32, generator=seeded(0)).repeat(6, 1, 1, 1)
    one, two, other = (augment(image, seeded(seed)) for seed in (3, 3, 4))
    assert one.shape == image.shape
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert len(torch.unique(one.flatten(1), dim=0)) == 6


def test_gradients_reach_the_pixels() -> None:
    images = torch.rand(2, 1, 14, 14, dtype=torch.float64, generator=seeded(0), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: augment(x, seeded(5))[:, :, ::7, ::7], images)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_precision_stays(dtype: torch.dtype) -> None:
    assert augment(torch.zeros(2, 1, 32, 32, dtype=dtype), seeded(0)).dtype == dtype
