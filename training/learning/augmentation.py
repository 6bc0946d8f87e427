"""Differentiable augmentation of what a discriminator sees (Zhao et al., NeurIPS 2020).

Without mirroring: real crops are mirrored when they are drawn, and mirroring fakes as well would hide from
the discriminator that a generator lights every image from the same side.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_SHIFT = 12
"""Largest translation in pixels; an eleventh of the image, mirrored at the edge."""

MAX_BRIGHTNESS = 0.1
MAX_CONTRAST = 0.1


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift, and mildly change brightness and contrast, differently for each image.

    Args:
        images: (B, 1, H, W) in -1..1.
        generator: source of all randomness, on the CPU.

    Returns:
        Images of the same shape, about -1..1; differentiable in `images`.
    """
    batch, _, height, width = images.shape
    numbers = torch.rand(batch, 4, generator=generator).to(images.device, images.dtype)
    spread = 2.0 * numbers - 1.0
    contrast = 1.0 + MAX_CONTRAST * spread[:, 0, None, None, None]
    brightness = MAX_BRIGHTNESS * spread[:, 1, None, None, None]
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    images = (images - mean) * contrast + mean + brightness

    padded = F.pad(images, [MAX_SHIFT] * 4, mode="reflect")
    corner = (numbers[:, 2:4] * (2 * MAX_SHIFT + 1)).long().clamp(max=2 * MAX_SHIFT)
    rows = torch.arange(height, device=images.device) + corner[:, :1]
    columns = torch.arange(width, device=images.device) + corner[:, 1:]
    index = torch.arange(batch, device=images.device)[:, None, None]
    return padded[:, 0][index, rows[:, :, None], columns[:, None, :]][:, None]
