"""The light of an image, as the network gets it: two smooth fields, and two ramps or patches."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from endotwin.field_size import STANDARD, FieldSize
from endotwin.generator.renderer import MOSAIC_SIZE
from endotwin.image_range import IMAGE_SIZE

LIGHT_SIZE = 4
LIGHT_CHANNELS = 4

_WAVES = 32
_WAVE_LENGTH, _WAVE_SPREAD, _WAVE_TURN = 300.0, 0.3, math.radians(20.0)
_WAVE_CONTRAST = 1.5
"""Waves that the light of a larger field is the sum of; their median length in pixels, the standard
deviations of its natural logarithm and of their direction; the limit that their sum is bent to, in its own
standard deviations, and what it is then multiplied by."""


def light_shapes(size: FieldSize) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shapes of the numbers that `light_fields` or `light_of_field` takes for an image."""
    if size == STANDARD:
        return (2, LIGHT_SIZE, LIGHT_SIZE), (2,)
    rows, columns = (round(side * (LIGHT_SIZE - 1) / IMAGE_SIZE) + 1 for side in size.shape)
    return (2, rows, columns), (2, 3, _WAVES)


def light_fields(coarse: Tensor, slope: Tensor) -> Tensor:
    """Make what illumination is made of: two smooth fields and two ramps of random slope.

    Args:
        coarse: (B, 2, LIGHT_SIZE, LIGHT_SIZE) standard normal.
        slope: (B, 2) standard normal.

    Returns:
        (B, 4, 64, 64).
    """
    size = (MOSAIC_SIZE, MOSAIC_SIZE)
    smooth = F.interpolate(coarse, size=size, mode="bicubic", align_corners=True)
    ramp = torch.linspace(-1.5, 1.5, MOSAIC_SIZE, device=coarse.device, dtype=coarse.dtype)
    x = (slope[:, 0, None, None] * ramp).expand(-1, *size)
    y = (slope[:, 1, None, None] * ramp[:, None]).expand(-1, *size)
    return torch.cat([smooth, x[:, None], y[:, None]], dim=1)


def light_of_field(coarse: Tensor, waves: Tensor, size: tuple[int, int]) -> Tensor:
    """Make the illumination of a field that is larger than 128 × 128: any part of it is lit as an image is.

    The ramps become patches of light and shade: across a whole field they would hardly rise within 128
    pixels, as the network takes them relative to how much they vary over its input.

    Args:
        coarse: (B, 2, rows, columns) standard normal; see `light_shapes`.
        waves: (B, 2, 3, _WAVES) standard normal.
        size: height and width of the fields, in two pixels each.

    Returns:
        (B, 4, *size).
    """
    smooth = F.interpolate(coarse, size=size, mode="bicubic", align_corners=True)
    ramps = [torch.stack([_patches(x, *size), _patches(y, *size[::-1]).T]) for x, y in waves]
    return torch.cat([smooth, torch.stack(ramps)], dim=1)


def _patches(numbers: Tensor, rows: int, columns: int) -> Tensor:
    """Return light that varies mostly along rows, about -2 to 2: a sum of plane waves of random lengths.

    Args:
        numbers: (3, _WAVES) standard normal: length, direction and phase of each wave.
        rows: of the field, two pixels each.
        columns: likewise.

    Returns:
        (rows, columns).
    """
    lengths = _WAVE_LENGTH * torch.exp(_WAVE_SPREAD * numbers[0].clamp(-2.0, 2.0))
    directions = _WAVE_TURN * numbers[1]
    phases = 2.0 * math.pi * torch.special.ndtr(numbers[2])
    down, along = (2.0 * torch.arange(side, device=numbers.device) for side in (rows, columns))
    down = (2.0 * math.pi / lengths * torch.sin(directions))[:, None] * down + phases[:, None]
    along = (2.0 * math.pi / lengths * torch.cos(directions))[:, None] * along
    light = torch.zeros(rows, columns, device=numbers.device)
    for vertical, horizontal in zip(down, along, strict=True):
        # cos(a + b); not by `addr_`, whose rounding depends on the number of threads.
        light += vertical.cos()[:, None] * horizontal.cos()
        light -= vertical.sin()[:, None] * horizontal.sin()
    light *= math.sqrt(2.0 / _WAVES) / _WAVE_CONTRAST
    return _WAVE_CONTRAST**2 * torch.tanh(light)
