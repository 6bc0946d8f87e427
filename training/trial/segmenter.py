"""Training of a segmenter for a number of steps, and prediction at the size of cells that it learned."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from endotwin.segmentation.network import new_segmenter, standardised
from endotwin.segmentation.windows import border_probability, resize
from training.random_streams import Purpose, stream_of_step
from training.trial.annotated_images import SMALLEST
from training.trial.batches import BorderBatch
from training.trial.segmenter_augmentation import augmented

_WARM_UP = 0.1


def train_segmenter(
    batch_of: Callable[[int], BorderBatch],
    *,
    seed: int,
    steps: int,
    learning_rate: float,
    device: str,
    progress: Callable[[float], None],
) -> tuple[nn.Module, list[float]]:
    """Train a new segmenter for a number of steps (`train_until_no_gain` finds the number by itself).

    Adam; the learning rate rises for a tenth of the steps and falls to almost 0 along a cosine
    (torch's OneCycleLR). The loss is binary cross-entropy plus 1 minus soft Dice, in the annotated area.

    Args:
        batch_of: returns the batch of a step.
        seed: of the weights and the augmentation.
        steps: number of steps, at least 1.
        learning_rate: the highest.
        device: torch device.
        progress: called after each step with its loss.

    Returns:
        The segmenter, on `device`, and the loss of every step.
    """
    segmenter = new_segmenter(seed).to(device)
    optimiser = torch.optim.Adam(segmenter.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, learning_rate, total_steps=steps, pct_start=_WARM_UP, cycle_momentum=False
    )
    losses = []
    for step in range(steps):
        rng = stream_of_step(seed, Purpose.TRIAL_AUGMENTATION, step)
        images, borders, areas = (
            torch.from_numpy(part)[:, None].to(device, torch.float32)
            for part in augmented(batch_of(step), rng)
        )
        loss = masked_loss(segmenter(standardised(images)), borders, areas)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
        progress(losses[-1])
    return segmenter, losses


def masked_loss(logits: torch.Tensor, borders: torch.Tensor, areas: torch.Tensor) -> torch.Tensor:
    """Return binary cross-entropy plus 1 minus soft Dice over the annotated pixels of a batch.

    Args:
        logits: float32 (n, 1, H, W).
        borders: 1 on a border, else 0; same shape.
        areas: 1 where the border is known, else 0; same shape, not all 0.
    """
    entropy = F.binary_cross_entropy_with_logits(logits, borders, weight=areas, reduction="sum")
    probability = torch.sigmoid(logits) * areas
    borders = borders * areas
    dice = 2 * (probability * borders).sum() / (probability.sum() + borders.sum()).clamp_min(1)
    return entropy / areas.sum() + 1 - dice


def predict(
    segmenter: nn.Module, plain: np.ndarray, shape: tuple[int, int], zoom: float, device: str
) -> np.ndarray:
    """Return the probability of a border in an image that is shown at the size the segmenter has learned.

    Args:
        segmenter: on `device`.
        plain: uint8 (h, w), the image as it was taken.
        shape: (H, W) of the result.
        zoom: size at which the segmenter sees the image, relative to `shape`; raised where the shorter side
            would fall below 64.
        device: torch device.

    Returns:
        float32 (H, W) from 0 to 1.
    """
    zoom = max(zoom, SMALLEST / min(shape))
    height, width = (round(zoom * side) for side in shape)
    pixels = plain if plain.shape == (height, width) else resize(plain, height, width)
    probability = border_probability(segmenter, pixels, device)
    return probability if probability.shape == shape else resize(probability, *shape).clip(0, 1)
