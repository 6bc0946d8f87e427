"""A small network that finds the borders in an image, used to train the renderer to follow its label.

It sees only some twenty pixels around each place, and images are mirrored and turned at random, so a border
that is drawn beside its place cannot be read as if it were there.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_WIDTH = 32
_LEAK = 0.2
_NOISE = 0.05
_BRIGHTNESS = 0.15
_CONTRAST = 0.25


class BorderReader(nn.Module):
    """Convolutions at half the resolution, from unshuffled pixels to unshuffled scores."""

    def __init__(self) -> None:
        """Build it with fresh weights."""
        super().__init__()

        def convolution(inputs: int, outputs: int, dilation: int) -> nn.Conv2d:
            return nn.Conv2d(
                inputs, outputs, 3, padding=dilation, dilation=dilation, padding_mode="reflect"
            )

        self.layers = nn.Sequential(
            convolution(4, _WIDTH, 1),
            nn.LeakyReLU(_LEAK),
            convolution(_WIDTH, _WIDTH, 1),
            nn.LeakyReLU(_LEAK),
            convolution(_WIDTH, _WIDTH, 2),
            nn.LeakyReLU(_LEAK),
            nn.Conv2d(_WIDTH, 4, 1),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, 1, H, W) in -1..1 to logits of a border (B, 1, H, W); H and W are even."""
        return F.pixel_shuffle(self.layers(F.pixel_unshuffle(images, 2)), 2)


def disturb(
    images: Tensor, others: list[Tensor], generator: torch.Generator
) -> tuple[Tensor, list[Tensor]]:
    """Mirror and turn images together with their maps, then change the images' grey levels.

    The noise hides what a generator might write into an image for this reader alone.

    Args:
        images: (B, 1, H, H) in -1..1.
        others: maps (B, 1, H, H) of the same places.
        generator: source of all randomness, on the CPU.

    Returns:
        Images, about -1..1, and maps; differentiable.
    """
    choices = torch.rand(3, generator=generator)
    together = torch.cat([images, *others], dim=1)
    if choices[0] < 0.5:
        together = together.flip(3)
    if choices[1] < 0.5:
        together = together.flip(2)
    if choices[2] < 0.5:
        together = together.transpose(2, 3)
    images, *others = torch.split(together, 1, dim=1)
    numbers = torch.rand(2, len(images), 1, 1, 1, generator=generator).to(images.device) * 2.0 - 1.0
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    images = (images - mean) * (1.0 + _CONTRAST * numbers[0]) + mean + _BRIGHTNESS * numbers[1]
    noise = torch.randn(images.shape, generator=generator).to(images.device)
    return images + _NOISE * noise, others


def reading_loss(logits: Tensor, borders: Tensor, seen: Tensor) -> Tensor:
    """Binary cross-entropy of the scores against a soft border map, where the border can be seen.

    Args:
        logits: (B, 1, H, W).
        borders: (B, 1, H, W), 0 to 1.
        seen: (B, 1, H, W), weight of each pixel, 0 to 1.
    """
    losses = F.binary_cross_entropy_with_logits(logits, borders, reduction="none")
    return (losses * seen).sum() / seen.sum().clamp(min=1.0)
