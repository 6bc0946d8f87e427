"""The reader of borders: images and maps stay together, and what is covered does not count."""

from __future__ import annotations

import math

import pytest
import torch

from training.learning.border_reader import BorderReader, disturb, reading_loss


def random_maps(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    maps = torch.rand(3, 1, 32, 32)
    return 1.6 * maps - 0.8, maps  # an image that shows its map in grey


def test_images_and_maps_are_turned_alike() -> None:
    images, maps = random_maps(1)
    seen = set()
    for seed in range(40):
        disturbed, (turned, other) = disturb(images, [maps, 2 * maps], torch.Generator().manual_seed(seed))
        assert torch.equal(other, 2 * turned)
        for image, shown in zip(disturbed, turned, strict=True):
            assert float(torch.corrcoef(torch.stack([image.flatten(), shown.flatten()]))[0, 1]) > 0.98
        versions = {
            (a, b, c): _turn(maps, mirror=a, flip=b, transpose=c)
            for a in (False, True)
            for b in (False, True)
            for c in (False, True)
        }
        seen |= {way for way, version in versions.items() if torch.equal(version, turned)}
    assert len(seen) == 8


def _turn(maps: torch.Tensor, *, mirror: bool, flip: bool, transpose: bool) -> torch.Tensor:
    maps = maps.flip(3) if mirror else maps
    maps = maps.flip(2) if flip else maps
    return maps.transpose(2, 3) if transpose else maps


def test_grey_levels_change_and_maps_do_not() -> None:
    images, maps = random_maps(2)
    disturbed, (turned,) = disturb(images, [maps], torch.Generator().manual_seed(5))
    assert torch.equal(turned.flatten().sort().values, maps.flatten().sort().values)
    means = disturbed.mean(dim=(1, 2, 3)) - images.mean(dim=(1, 2, 3))
    assert len({round(float(mean), 3) for mean in means}) == 3
    assert float(means.abs().max()) < 0.16
    ratio = disturbed.std(dim=(1, 2, 3)) / images.std(dim=(1, 2, 3))
    assert 0.7 < float(ratio.min()) < float(ratio.max()) < 1.35


def test_the_same_generator_disturbs_the_same_way() -> None:
    images, maps = random_maps(3)
    one, other = (disturb(images, [maps], torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(one[0], other[0])
    assert torch.equal(one[1][0], other[1][0])


def test_gradients_pass_through() -> None:
    images, maps = random_maps(4)
    images.requires_grad_()
    disturbed, _ = disturb(images, [maps], torch.Generator().manual_seed(0))
    disturbed.sum().backward()
    assert images.grad is not None
    torch.testing.assert_close(images.grad.sum(dim=(1, 2, 3)), torch.full((3,), 1024.0))


def test_what_is_covered_does_not_count() -> None:
    logits = torch.zeros(2, 1, 8, 8)
    borders = torch.zeros(2, 1, 8, 8)
    logits[:, :, :, 4:], borders[:, :, :, 4:] = -50.0, 1.0  # as wrong as can be, but covered
    seen = torch.ones(2, 1, 8, 8)
    seen[:, :, :, 4:] = 0.0
    assert float(reading_loss(logits, borders, seen)) == pytest.approx(math.log(2))
    assert float(reading_loss(logits, borders, torch.ones_like(seen))) > 20
    assert float(reading_loss(logits, borders, torch.zeros_like(seen))) == 0


def test_a_soft_map_is_read_best_where_it_is() -> None:
    borders = torch.full((1, 1, 4, 4), 0.3)
    seen = torch.ones_like(borders)
    right = reading_loss(torch.logit(borders), borders, seen)
    for shift in (-0.5, 0.5):
        assert reading_loss(torch.logit(borders) + shift, borders, seen) > right


def test_it_sees_some_twenty_pixels_around() -> None:
    torch.manual_seed(1)
    reader = BorderReader()
    images = torch.randn(1, 1, 64, 64, requires_grad=True)
    scores = reader(images)
    assert scores.shape == images.shape
    scores[0, 0, 32, 32].backward()
    assert images.grad is not None
    rows, columns = torch.nonzero(images.grad[0, 0], as_tuple=True)
    reach = int(max(rows.max() - rows.min(), columns.max() - columns.min())) + 1
    assert 12 <= reach <= 24


def test_it_learns_to_read_lines_where_they_are() -> None:
    torch.manual_seed(2)
    reader = BorderReader()
    optimiser = torch.optim.Adam(reader.parameters(), 5e-3)
    generator = torch.Generator().manual_seed(0)

    def lines() -> tuple[torch.Tensor, torch.Tensor]:
        borders = torch.zeros(8, 1, 32, 32)
        for k in range(8):
            borders[k, 0, :, int(torch.randint(4, 28, (1,), generator=generator))] = 1.0
        return 0.5 - borders, borders

    def one_loss() -> torch.Tensor:
        images, borders = lines()
        disturbed, (borders, seen) = disturb(images, [borders, torch.ones_like(borders)], generator)
        return reading_loss(reader(disturbed), borders, seen)

    first = one_loss().item()
    for _ in range(60):
        loss = one_loss()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert one_loss().item() < 0.3 * first
    images, borders = lines()
    with torch.inference_mode():
        found = reader(images).argmax(dim=3)
    assert (found == borders.argmax(dim=3)).float().mean() > 0.95
