"""Training one segmenter under the fixed budget."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from training.trial.batches import Batch
from training.trial.light_augmentation import augmented
from training.trial.segmenter import new_segmenter, standardised

_WARM_UP = 0.1
_AUGMENTATION = 1  # beside the seed of the crops, so that both draws are independent


def fit(
    batch_of: Callable[[int], Batch],
    *,
    seed: int,
    steps: int,
    learning_rate: float,
    device: str,
    progress: Callable[[float], None],
) -> tuple[nn.Module, list[float]]:
    """Train a new segmenter.

    Adam; the learning rate rises for a tenth of the steps and falls to almost 0 along a cosine
    (torch's OneCycleLR). The loss is binary cross-entropy plus 1 minus soft Dice, in the annotated area.

    Args:
        batch_of: gives the batch of each step.
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
        rng = np.random.default_rng([seed, _AUGMENTATION, step])
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
