"""Differentiable augmentation of what a discriminator sees.

The shifts are those of Zhao et al., "Differentiable augmentation for data-efficient GAN training" (NeurIPS
2020), turns, zooms and rotations those of Karras et al., "Training generative adversarial networks with
limited data" (NeurIPS 2020). A discriminator that sees some fifty images often enough memorises them, and
then has nothing more to teach; that takes longer if they never look quite the same.

A discriminator that knows little yet learns more slowly from images altered like this, so turns, zooms and
holes are for one that knows much. They leave a share of the images as they are: what is done to all would
go unseen in generated images, such as light from any side instead of from one.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_SHIFT = 12
"""Largest translation in pixels; an eleventh of the image, mirrored at the edge."""

MAX_BRIGHTNESS = 0.1
MAX_CONTRAST = 0.1

MAX_ZOOM = 1.3
"""Largest enlargement; the largest reduction is its inverse."""

MAX_ANGLE = 45.0
"""Largest rotation in degrees; quarter turns make it every angle."""

HOLE = 0.5
"""Side of a hole over that of the image."""


def augment(images: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Shift and relight each image; turn, zoom with rotation and cut a hole for a share of them each.

    Args:
        images: (B, 1, S, S) in -1..1.
        share: 0..1, below 1 so that the unturned can be told from the turned.
        generator: source of all randomness, on the CPU.

    Returns:
        Images of the same shape, about -1..1; differentiable in `images`.
    """
    numbers = torch.rand(len(images), 12, generator=generator)
    chosen = numbers[:, :3] < share
    images = _relight(images, numbers[:, 3:5])
    images = _turn(images, chosen[:, 0], numbers[:, 5])
    images = _zoom_and_rotate(images, chosen[:, 1], numbers[:, 6:8])
    images = _shift(images, numbers[:, 8:10])
    return _cut_hole(images, chosen[:, 2], numbers[:, 10:12])


def _relight(images: Tensor, numbers: Tensor) -> Tensor:
    spread = (2.0 * numbers - 1.0).to(images.device, images.dtype)
    contrast = 1.0 + MAX_CONTRAST * spread[:, 0, None, None, None]
    brightness = MAX_BRIGHTNESS * spread[:, 1, None, None, None]
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return (images - mean) * contrast + mean + brightness


def _turn(images: Tensor, chosen: Tensor, numbers: Tensor) -> Tensor:
    """Turn the chosen images by 0, 1, 2 or 3 quarters."""
    quarters = (4 * numbers).long() * chosen
    turned = images.clone()
    for quarter in (1, 2, 3):
        which = torch.nonzero(quarters == quarter).flatten().to(images.device)
        turned[which] = torch.rot90(images[which], quarter, dims=(2, 3))
    return turned


def _zoom_and_rotate(images: Tensor, chosen: Tensor, numbers: Tensor) -> Tensor:
    """Zoom and rotate the chosen images about their middle; what comes in from outside is mirrored."""
    if not chosen.any():
        return images
    spread = 2.0 * numbers[chosen] - 1.0
    scale = torch.exp(math.log(MAX_ZOOM) * spread[:, 0])
    angle = math.radians(MAX_ANGLE) * spread[:, 1]
    cosine, sine, zero = torch.cos(angle) / scale, torch.sin(angle) / scale, torch.zeros_like(angle)
    to_source = torch.stack([cosine, -sine, zero, sine, cosine, zero], dim=1).reshape(-1, 2, 3)
    which = torch.nonzero(chosen).flatten().to(images.device)
    some = images[which]
    places = F.affine_grid(to_source.to(some.device, some.dtype), list(some.shape), align_corners=False)
    moved = images.clone()
    moved[which] = F.grid_sample(some, places, padding_mode="reflection", align_corners=False)
    return moved


def _shift(images: Tensor, numbers: Tensor) -> Tensor:
    batch, _, height, width = images.shape
    padded = F.pad(images, [MAX_SHIFT] * 4, mode="reflect")
    corner = (numbers.to(images.device) * (2 * MAX_SHIFT + 1)).long().clamp(max=2 * MAX_SHIFT)
    rows = torch.arange(height, device=images.device) + corner[:, :1]
    columns = torch.arange(width, device=images.device) + corner[:, 1:]
    index = torch.arange(batch, device=images.device)[:, None, None]
    return padded[:, 0][index, rows[:, :, None], columns[:, None, :]][:, None]


def _cut_hole(images: Tensor, chosen: Tensor, numbers: Tensor) -> Tensor:
    """Make a square of the chosen images grey; its middle is anywhere in the image."""
    size = images.shape[-1]
    places = (torch.arange(size) + 0.5) / size
    rows, columns = ((places - numbers[:, axis, None]).abs() <= HOLE / 2 for axis in (0, 1))
    holes = chosen[:, None, None] & rows[:, :, None] & columns[:, None, :]
    return images.masked_fill(holes[:, None].to(images.device), 0.0)
