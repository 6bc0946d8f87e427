"""Augmentation changes each image on its own, within limits, and lets gradients through."""

from __future__ import annotations

import pytest
import torch

from training.learning import augmentation
from training.learning.augmentation import (
    HOLE,
    MAX_BRIGHTNESS,
    MAX_CONTRAST,
    MAX_SHIFT,
    MAX_ZOOM,
    augment,
)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


SHARE = 0.4


@pytest.fixture
def neither_shift_nor_light(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MAX_SHIFT", "MAX_BRIGHTNESS", "MAX_CONTRAST"):
        monkeypatch.setattr(augmentation, name, 0)


def positions(count: int, seed: int) -> torch.Tensor:
    """Augment images that have one bright pixel in the middle; return where it went, (count, 2)."""
    images = torch.zeros(count, 1, 64, 64)
    images[:, :, 32, 32] = 1.0
    flat = augment(images, 0.0, seeded(seed)).flatten(1).argmax(dim=1)
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
    changed = augment(pattern, 0.0, seeded(2))
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
        changed = augment(ramp, 0.0, seeded(seed))[0, 0]
        steps = changed[0].diff()
        assert float(steps.abs().max()) < 2.0 / 127 * (1 + MAX_CONTRAST) + 1e-5
        assert torch.equal(changed[0], changed[-1])


def near(found: int, share: float, count: int) -> bool:
    """Whether a binomial count is within five standard deviations of what is expected."""
    return abs(found - share * count) < 5 * (count * share * (1 - share)) ** 0.5


@pytest.mark.usefixtures("neither_shift_nor_light")
def test_a_share_is_turned_by_each_quarter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augmentation, "MAX_ZOOM", 1.0)
    monkeypatch.setattr(augmentation, "MAX_ANGLE", 0.0)
    monkeypatch.setattr(augmentation, "HOLE", 0.0)
    image = torch.rand(1, 1, 8, 8, generator=seeded(0))
    count = 2_000
    changed = augment(image.repeat(count, 1, 1, 1), SHARE, seeded(6))
    of_each = [
        int((changed - torch.rot90(image, quarter, dims=(2, 3))).abs().amax(dim=(1, 2, 3)).lt(1e-5).sum())
        for quarter in range(4)
    ]
    assert sum(of_each) == count
    assert all(near(found, SHARE / 4, count) for found in of_each[1:]), of_each


@pytest.mark.usefixtures("neither_shift_nor_light")
def test_a_share_has_a_grey_square_anywhere() -> None:
    size, count = 32, 2_000
    changed = augment(torch.ones(count, 1, size, size), SHARE, seeded(7))[:, 0]
    holes = changed == 0.0
    assert float(changed[~holes].min()) > 0.999
    assert near(int(holes.any(dim=(1, 2)).sum()), SHARE, count)
    rows, columns = holes.any(dim=2).sum(dim=1), holes.any(dim=1).sum(dim=1)
    assert torch.equal(holes.sum(dim=(1, 2)), rows * columns), "a hole is a rectangle"
    assert int(rows.max()) == int(columns.max()) == size * HOLE
    assert holes.any(dim=0).all(), "no place is without"


@pytest.mark.usefixtures("neither_shift_nor_light")
def test_a_disc_is_enlarged_and_reduced_within_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augmentation, "HOLE", 0.0)
    size, count = 64, 1_000
    places = torch.arange(size) - (size - 1) / 2
    disc = (torch.hypot(places[:, None], places[None, :]) < 14).float()[None, None]
    zooms = (augment(disc.repeat(count, 1, 1, 1), SHARE, seeded(8)).sum(dim=(1, 2, 3)) / disc.sum()).sqrt()
    same = (zooms - 1.0).abs() < 1e-6
    assert near(int(same.sum()), 1 - SHARE, count)
    assert MAX_ZOOM * 0.98 < float(zooms.max()) < MAX_ZOOM * 1.01
    assert 0.99 / MAX_ZOOM < float(zooms.min()) < 1.02 / MAX_ZOOM
    assert abs(float(zooms[~same].log().mean())) < 0.05


@pytest.mark.usefixtures("neither_shift_nor_light")
def test_images_are_rotated_to_both_sides_about_their_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augmentation, "MAX_ZOOM", 1.0)
    monkeypatch.setattr(augmentation, "HOLE", 0.0)
    size, count = 65, 500
    bar = torch.zeros(1, 1, size, size)
    bar[:, :, size // 2 - 1 : size // 2 + 2, 12:-12] = 1.0
    changed = augment(bar.repeat(count, 1, 1, 1), SHARE, seeded(9))[:, 0]
    places = (torch.arange(size) - size // 2).float()
    total = changed.sum(dim=(1, 2))
    assert float((changed * places[:, None]).sum(dim=(1, 2)).div(total).abs().max()) < 0.05
    assert float((changed * places[None, :]).sum(dim=(1, 2)).div(total).abs().max()) < 0.05
    across = (changed * places[:, None] * places[None, :]).sum(dim=(1, 2))
    along = (changed * (places[None, :].square() - places[:, None].square())).sum(dim=(1, 2))
    degrees = torch.rad2deg(0.5 * torch.atan2(2 * across, along))
    turned = torch.remainder(degrees + 45.0, 90.0) - 45.0  # less the quarter turns
    assert float(turned.max()) > 40.0
    assert float(turned.min()) < -40.0
    assert near(int((turned.abs() < 0.05).sum()), 1 - SHARE, count)


def test_the_same_seed_augments_in_the_same_way_and_images_differ() -> None:
    image = torch.rand(1, 1, 32, 32, generator=seeded(0)).repeat(6, 1, 1, 1)
    one, two, other = (augment(image, SHARE, seeded(seed)) for seed in (3, 3, 4))
    assert one.shape == image.shape
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert len(torch.unique(one.flatten(1), dim=0)) == 6


def test_gradients_reach_the_pixels() -> None:
    images = torch.rand(4, 1, 14, 14, dtype=torch.float64, generator=seeded(0), requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: augment(x, SHARE, seeded(5))[:, :, ::7, ::7], images)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_precision_stays(dtype: torch.dtype) -> None:
    assert augment(torch.zeros(8, 1, 32, 32, dtype=dtype), SHARE, seeded(0)).dtype == dtype
