"""The `compact` generator: a random cell mosaic that a small convolutional network turns into an image.

A plain narrow trunk has only its latent vector to place some sixty cells with, and collapses to one
lattice (docs/training.md). Here positions come from random sites on a jittered hexagonal grid, and the
network has the modality to learn: borders, grain, row noise, focus, illumination.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from endotwin.generator.illumination import LIGHT_CHANNELS, LIGHT_SIZE, light_fields
from endotwin.generator.instruments import (
    MAX_SPACING,
    MIN_SPACING,
    Instrument,
    choose,
    one_hot,
    per_image,
)
from endotwin.generator.renderer import (
    MOSAIC_SIZE,
    NOISE_CHANNELS,
    NOISE_NUMBERS,
    DrawsReader,
    RenderingNetwork,
    video_fields,
)
from endotwin.image_range import IMAGE_SIZE

SITE_TABLE = 24
"""Sites per side of the periodic site table: more than the smallest spacing ever needs."""

_MOSAIC_CHANNELS = 6
_SITE_NUMBERS = 4  # two for the position, two for the look of a cell
_LATTICE_NUMBERS = 8  # spacing, jitter, rotation, two of stretch, two of offset, field parity
_WARP_SIZE = 4
_BEND = 0.15  # of a spacing


class MosaicArchitecture(BaseModel):
    """Numbers of a `MosaicGenerator`.

    Attributes:
        latent: length of the style vector (illumination, focus, contrast).
        width: channels at 128 pixels; deeper layers have multiples of it.
        spacing_median: median distance between the centres of neighbouring cells, in pixels.
        spacing_log_sd: standard deviation of the natural logarithm of that distance over images.
        instruments: those that took the training images, each with a spacing of its own; none if the
            network does not tell them apart.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["mosaic"] = "mosaic"
    latent: int = Field(default=64, ge=1, le=1024)
    width: int = Field(default=16, ge=8, le=256, multiple_of=8)
    spacing_median: float = Field(default=24.0, ge=MIN_SPACING, le=MAX_SPACING)
    spacing_log_sd: float = Field(default=0.2, ge=0.0, le=1.0)
    instruments: tuple[Instrument, ...] = ()


def _hexagon_offsets() -> list[tuple[int, int]]:
    """The grid cell itself and the two rings around it, in axial coordinates: 19 offsets."""
    ring = range(-2, 3)
    return [(i, j) for i in ring for j in ring if max(abs(i), abs(j), abs(i + j)) <= 2]


_OFFSETS = _hexagon_offsets()


def draw_jittered_grid(
    lattice: Tensor, sites: Tensor, warp: Tensor, usual: float, median: Tensor, log_sd: Tensor
) -> Tensor:
    """Sample a cell mosaic: the Voronoi diagram of a jittered, stretched, rotated hexagonal grid.

    Only the nineteen sites around a pixel's own grid cell are looked at, so the cost does not depend on
    how many cells an image has (Worley, "A cellular texture basis function", SIGGRAPH 1996).

    Args:
        lattice: (B, 8) standard normal: spacing, jitter, rotation, stretch (2), offset (2), parity.
        sites: (B, SITE_TABLE * SITE_TABLE, 4) standard normal: displacement (2), look (2).
        warp: (B, 2, h, w) standard normal: a smooth displacement that bends borders and varies sizes.
        usual: the spacing that the spacing of an image is told relative to, in pixels.
        median: (B,), median spacing in pixels.
        log_sd: (B,), standard deviation of the logarithm of the spacing.

    Returns:
        (B, 6, 64, 64): border sharp and soft (1 on a border, towards 0 inside), distance to the cell's
        site in spacings, two numbers constant within a cell, logarithm of the spacing over `usual`.
    """
    batch = lattice.shape[0]
    spacing = (median * torch.exp(log_sd * lattice[:, 0])).clamp(MIN_SPACING, MAX_SPACING)
    uniform = torch.special.ndtr(lattice)
    jitter = 0.06 + 0.12 * uniform[:, 1]
    angle = 2.0 * math.pi * uniform[:, 2]
    stretch, shear = (0.06 * lattice[:, 3]).clamp(-0.2, 0.2), (0.06 * lattice[:, 4]).clamp(-0.2, 0.2)

    step = IMAGE_SIZE / MOSAIC_SIZE
    axis = (torch.arange(MOSAIC_SIZE, device=lattice.device, dtype=lattice.dtype) + 0.5) * step
    axis = axis - IMAGE_SIZE / 2
    bend = F.interpolate(warp, size=(MOSAIC_SIZE, MOSAIC_SIZE), mode="bicubic", align_corners=True)
    scale = spacing[:, None, None]
    x = axis[None, None, :] / scale + _BEND * bend[:, 0]
    y = axis[None, :, None] / scale + _BEND * bend[:, 1]
    cos, sin = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    x, y = cos * x - sin * y, sin * x + cos * y
    x = x * (1.0 + stretch[:, None, None]) + y * shear[:, None, None]
    x = x + uniform[:, 5, None, None] * SITE_TABLE
    y = y + uniform[:, 6, None, None] * SITE_TABLE

    # Axial coordinates of a hexagonal grid with unit spacing: p = a * (1, 0) + b * (1/2, √3/2).
    b = torch.round(y * (2.0 / math.sqrt(3.0)))
    a = torch.round(x - 0.5 * b)
    moved = (jitter[:, None, None] * sites[:, :, :2]).clamp(-0.45, 0.45)
    table = torch.cat([moved, sites[:, :, 2:]], dim=2)
    rows = torch.arange(batch, device=lattice.device)[:, None, None] * (SITE_TABLE * SITE_TABLE)
    flat = table.reshape(batch * SITE_TABLE * SITE_TABLE, _SITE_NUMBERS)
    moved_x, moved_y = flat[:, 0].contiguous(), flat[:, 1].contiguous()

    first = torch.full_like(x, 1e6)
    second = torch.full_like(x, 1e6)
    owner = torch.zeros_like(x, dtype=torch.long)
    for i, j in _OFFSETS:
        site_a, site_b = a + i, b + j
        site = (
            torch.remainder(site_a, SITE_TABLE) * SITE_TABLE + torch.remainder(site_b, SITE_TABLE)
        ).long() + rows
        dx = x - (site_a + 0.5 * site_b + moved_x[site])
        dy = y - (site_b * (math.sqrt(3.0) / 2.0) + moved_y[site])
        squared = dx * dx + dy * dy
        nearer = squared < first
        second = torch.minimum(second, torch.maximum(squared, first))
        first = torch.where(nearer, squared, first)
        owner = torch.where(nearer, site, owner)
    first, second = first.sqrt(), second.sqrt()
    border = 0.5 * (second - first) * scale
    look = flat[owner.reshape(-1), 2:].reshape(batch, MOSAIC_SIZE, MOSAIC_SIZE, 2)
    relative = torch.log(spacing / usual)[:, None, None].expand_as(border)
    return torch.stack(
        [
            torch.exp(-border / 1.5),
            torch.exp(-border / 5.0),
            first,
            look[..., 0],
            look[..., 1],
            relative,
        ],
        dim=1,
    )


class MosaicGenerator(RenderingNetwork):
    """A random mosaic on a jittered grid, rendered."""

    def __init__(self, architecture: MosaicArchitecture) -> None:
        super().__init__(
            architecture.latent,
            architecture.width,
            _MOSAIC_CHANNELS + LIGHT_CHANNELS,
            style_more=len(architecture.instruments),
        )
        self.architecture = architecture
        self.draws = (
            architecture.latent
            + _LATTICE_NUMBERS
            + SITE_TABLE * SITE_TABLE * _SITE_NUMBERS
            + 2 * _WARP_SIZE**2
            + 2 * LIGHT_SIZE**2
            + 2
            + IMAGE_SIZE
            + NOISE_NUMBERS
            + (1 if architecture.instruments else 0)
        )

    def instruments(self, draws: Tensor) -> Tensor:
        """Return the instrument of each image, int64 (B,), an index; all 0 if there are none."""
        return choose(self.architecture.instruments, draws[:, -1])

    def forward(self, draws: Tensor) -> Tensor:
        """Map standard normal numbers (B, draws) to images (B, 1, 128, 128) in -1..1."""
        numbers = DrawsReader(draws)
        latent = numbers.take(self.architecture.latent)
        lattice = numbers.take(_LATTICE_NUMBERS)
        sites = numbers.take(SITE_TABLE * SITE_TABLE, _SITE_NUMBERS)
        warp = numbers.take(2, _WARP_SIZE, _WARP_SIZE)
        light = numbers.take(2, LIGHT_SIZE, LIGHT_SIZE)
        slope = numbers.take(2)
        rows = numbers.take(1, IMAGE_SIZE, 1)
        noise = {s: numbers.take(c, s, s) for s, c in NOISE_CHANNELS.items()}

        style = torch.cat([latent, lattice], dim=1)
        video = video_fields(rows, lattice[:, 7])
        median = torch.full_like(latent[:, 0], self.architecture.spacing_median)
        log_sd = torch.full_like(latent[:, 0], self.architecture.spacing_log_sd)
        instruments = self.architecture.instruments
        if instruments:
            chosen = self.instruments(draws)
            style = torch.cat([style, one_hot(instruments, chosen)], dim=1)
            video = video * per_image([i.interlaced for i in instruments], chosen)[:, None, None, None]
            median = per_image([i.spacing_median for i in instruments], chosen)
            log_sd = per_image([i.spacing_log_sd for i in instruments], chosen)
        with torch.no_grad():
            mosaic = draw_jittered_grid(
                lattice, sites, warp, self.architecture.spacing_median, median, log_sd
            )
        return self.render(torch.cat([mosaic, light_fields(light, slope)], dim=1), style, video, noise)
