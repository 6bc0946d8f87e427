"""The loss by hand, and a segmenter that learns in a few steps."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from made_up_mosaics import VoronoiBlocks

from endotwin.segmentation.network import new_segmenter, standardised
from endotwin.segmentation.windows import border_probability
from training.trial.batches import BorderBatch, SyntheticBatches
from training.trial.labelled_source import LabelledSource
from training.trial.segmenter import masked_loss, predict, train_segmenter


def test_the_loss_of_even_chances_is_the_one_computed_by_hand() -> None:
    borders = torch.zeros(2, 1, 8, 8)
    borders[:, :, :2] = 1  # a quarter of the pixels
    areas = torch.ones_like(borders)
    # Entropy log 2; soft Dice 2 × 0.5 × 1/4 over 1/2 + 1/4.
    expected = math.log(2) + 1 - 2 * 0.125 / 0.75
    assert float(masked_loss(torch.zeros_like(borders), borders, areas)) == pytest.approx(expected)


def test_a_perfect_answer_costs_nothing_and_what_is_outside_the_area_never_does() -> None:
    borders = (torch.arange(8).repeat(1, 1, 8, 1) % 3 == 0).float()
    areas = torch.zeros_like(borders)
    areas[..., :5] = 1
    right = 40 * (borders - 0.5)
    assert float(masked_loss(right, borders, areas)) == pytest.approx(0, abs=1e-6)
    wrong_outside = torch.where(areas == 1, right, -right)
    assert float(masked_loss(wrong_outside, borders, areas)) == pytest.approx(0, abs=1e-6)
    assert float(masked_loss(-right, borders, areas)) > 10


def test_standardised_images_forget_their_brightness_and_contrast() -> None:
    images = torch.rand(3, 1, 32, 32)
    found = standardised(images)
    assert found.mean(dim=(1, 2, 3)).abs().max() < 1e-5
    assert torch.allclose(found, standardised(100 + 50 * images), atol=1e-3)
    assert standardised(torch.full((1, 1, 32, 32), 7.0)).abs().max() == 0


def test_weights_follow_from_the_seed_and_leave_the_global_generator_alone() -> None:
    state = torch.get_rng_state()
    first, again, other = (
        torch.cat([parameter.flatten() for parameter in new_segmenter(seed).parameters()])
        for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("size", [(100, 140), (128, 128), (150, 200)])
def test_an_image_of_any_size_gets_a_probability_for_every_pixel(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    found = border_probability(new_segmenter(0), pixels, "cpu")
    assert found.shape == size
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 1


def test_an_image_is_seen_at_the_size_that_was_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray] = []

    def probability(network: torch.nn.Module, pixels: np.ndarray, device: str) -> np.ndarray:
        seen.append(pixels)
        return pixels.astype(np.float32) / 255

    monkeypatch.setattr("training.trial.segmenter.border_probability", probability)
    rows = np.broadcast_to(np.linspace(0, 255, 200).astype(np.uint8)[:, None], (200, 240))
    for shape, zoom, size in (
        ((200, 240), 1.0, (200, 240)),
        ((300, 360), 2 / 3, (200, 240)),  # enlarged to be scored, but shown as it was taken
        ((100, 120), 1.5, (150, 180)),
        ((100, 120), 0.1, (64, 77)),  # a window needs 64 pixels
    ):
        found = predict(new_segmenter(0), rows, shape, zoom, "cpu")
        assert seen[-1].shape == size
        assert found.shape == shape
        assert found.mean(axis=1) == pytest.approx(np.linspace(0, 1, shape[0]), abs=0.02)
    assert seen[1] is rows


def first_two(batch: BorderBatch) -> BorderBatch:
    """Return the first two images of a batch: a network learns from them, and sixteen take longer."""
    return BorderBatch(batch.images[:2], batch.borders[:2], batch.areas[:2])


def test_a_segmenter_learns_and_training_follows_from_the_seed() -> None:
    blocks = SyntheticBatches(LabelledSource("voronoi", "1", VoronoiBlocks().block), seed=0)
    made: list[BorderBatch] = [first_two(blocks.batch(step)) for step in range(2)]

    def train(steps: int) -> tuple[torch.nn.Module, list[float], list[float]]:
        reported: list[float] = []
        segmenter, losses = train_segmenter(
            lambda step: made[step % 2],
            seed=1,
            steps=steps,
            learning_rate=1e-2,
            device="cpu",
            progress=reported.append,
        )
        return segmenter, losses, reported

    segmenter, losses, reported = train(12)
    assert reported == losses
    assert len(losses) == 12
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])
    probability = border_probability(segmenter, made[0].images[0], "cpu")
    assert probability[made[0].borders[0]].mean() > probability[~made[0].borders[0]].mean() + 0.2
    assert train(2)[1] == train(2)[1]
