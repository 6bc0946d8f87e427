"""The network that turns a cell mosaic into an image: mosaic → 16 pixels → image, with noise at every size.

What is drawn is drawn elsewhere; this network has the modality to learn: borders, grain, row noise, focus,
illumination. Every generator that starts from a mosaic is built on it.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from endotwin.field_size import FieldSize
from endotwin.image_range import IMAGE_SIZE

MOSAIC_SIZE = IMAGE_SIZE // 2
"""The network sees the mosaic at every second pixel: distances are smooth enough to be interpolated."""

STYLE_EXTRA = 8
"""Numbers of the mosaic that the style network gets after the latent vector."""

NOISE_CHANNELS = {16: 4, 32: 2, 64: 1, 128: 1}
"""Channels of noise by resolution."""

NOISE_NUMBERS = sum(channels * size**2 for size, channels in NOISE_CHANNELS.items())
"""Standard normal numbers per image that the noise takes."""

_COARSEST = 8
"""Pixels of an image at a side of a pixel of the network's coarsest maps."""

_STYLE = 128
_LEAK = 0.2


class DrawsReader:
    """Split rows of draws into parts, always in the same order."""

    def __init__(self, draws: Tensor) -> None:
        """Begin with the first number of each row of `draws`, (B, N)."""
        self._draws = draws
        self._at = 0

    def take(self, *shape: int) -> Tensor:
        """Return the next numbers of every row, (B, *shape)."""
        n = math.prod(shape)
        part = self._draws[:, self._at : self._at + n]
        self._at += n
        return part.reshape(-1, *shape)


class _StyledConvolution(nn.Module):
    """3 × 3 convolution with reflected edges, group normalisation, a style's scale and shift, leaky ReLU.

    Reflection instead of zeros: zeros draw a frame around the image.
    """

    def __init__(self, inputs: int, outputs: int, style: int, stride: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(
            inputs, outputs, 3, stride=stride, padding=1, padding_mode="reflect", bias=False
        )
        self.normalisation = nn.GroupNorm(outputs // 8, outputs, affine=False)
        self.style = nn.Linear(style, 2 * outputs)
        nn.init.normal_(self.style.weight, 0.0, 0.02)
        nn.init.zeros_(self.style.bias)

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        features = self.convolution(features)
        scale, shift = self.style(style)[:, :, None, None].chunk(2, dim=1)
        scale = 1.0 + scale
        if len(features) == 1:
            mean, deviation = _moments_of_groups(features, self.normalisation)
            scale = scale / deviation
            shift = shift - mean * scale
        else:
            features = _channels_last(self.normalisation(features))
        return F.leaky_relu(torch.addcmul(shift, features, scale), _LEAK, inplace=True)


class RenderingNetwork(nn.Module):
    """Mosaic → encoder → 16 pixels → decoder → image."""

    def __init__(
        self, latent: int, width: int, field_channels: int, fine_channels: int = 0, style_more: int = 0
    ) -> None:
        """Build it.

        Args:
            latent: length of the style vector.
            width: channels at 128 pixels; deeper layers have multiples of it.
            field_channels: channels of the fields it starts from.
            fine_channels: channels of the fields that it sees at 128 pixels only.
            style_more: numbers that the style network gets after STYLE_EXTRA.
        """
        super().__init__()
        w128, w64, w32, w16 = width, 3 * width, 6 * width, 8 * width
        self.style = nn.Sequential(
            nn.Linear(latent + STYLE_EXTRA + style_more, _STYLE),
            nn.LeakyReLU(_LEAK),
            nn.Linear(_STYLE, _STYLE),
            nn.LeakyReLU(_LEAK),
        )
        self.enter = _StyledConvolution(field_channels, w64, _STYLE)
        self.down32 = _StyledConvolution(w64, w32, _STYLE, stride=2)
        self.down16 = _StyledConvolution(w32, w16, _STYLE, stride=2)
        self.middle = nn.ModuleList(
            [
                _StyledConvolution(w16 + NOISE_CHANNELS[16], w16, _STYLE),
                _StyledConvolution(w16, w16, _STYLE),
            ]
        )
        self.to32 = nn.Conv2d(w16, w32, 1)
        self.up32 = _StyledConvolution(w32 + NOISE_CHANNELS[32], w32, _STYLE)
        self.to64 = nn.Conv2d(w32, w64, 1)
        self.up64 = nn.ModuleList(
            [
                _StyledConvolution(w64 + NOISE_CHANNELS[64], w64, _STYLE),
                _StyledConvolution(w64, w64, _STYLE),
            ]
        )
        self.to128 = nn.Conv2d(w64, w128, 1)
        self.up128 = nn.ModuleList(
            [
                _StyledConvolution(w128 + NOISE_CHANNELS[128] + 2 + fine_channels, w128, _STYLE),
                _StyledConvolution(w128, w128, _STYLE),
            ]
        )
        self.leave = nn.Conv2d(w128, 1, 3, padding=1, padding_mode="reflect")

    def render(
        self,
        fields: Tensor,
        style_numbers: Tensor,
        video: Tensor,
        noise: dict[int, Tensor],
        fine: Tensor | None = None,
    ) -> Tensor:
        """Render mosaics.

        Args:
            fields: (B, field_channels, H / 2, W / 2), the mosaic and the light.
            style_numbers: (B, latent + STYLE_EXTRA + style_more).
            video: (B, 2, H, W), see `video_fields`.
            noise: (B, channels, height, width) by size, as `noise_shapes` says.
            fine: (B, fine_channels, H, W) or None.

        Returns:
            Images (B, 1, H, W) in -1..1.
        """
        style = self.style(style_numbers)
        at64 = self.enter(_channels_last(fields), style)
        at32 = self.down32(at64, style)
        x = self.down16(at32, style)
        x = _with(x, noise[16])
        for layer in self.middle:
            x = layer(x, style)
        x = self.up32(_with(_double(self.to32(x)) + at32, noise[32]), style)
        x = _with(_double(self.to64(x)) + at64, noise[64])
        for layer in self.up64:
            x = layer(x, style)
        beside = [noise[128], video] if fine is None else [noise[128], video, fine]
        x = _with(_double(self.to128(x)), torch.cat(beside, dim=1))
        for layer in self.up128:
            x = layer(x, style)
        with torch.autocast(x.device.type, enabled=False):  # bfloat16 knows fewer grey levels than an image
            return torch.tanh(self.leave(x.float()))


def whole_steps(size: FieldSize) -> tuple[int, int]:
    """Return height and width of an image, rounded up to what the network can make."""
    height, width = (-(-side // _COARSEST) * _COARSEST for side in size.shape)
    return height, width


def noise_shapes(size: FieldSize) -> dict[int, tuple[int, int, int]]:
    """Return channels, height and width of the noise of an image, by what they are at 128 × 128."""
    height, width = whole_steps(size)
    return {
        at: (channels, height * at // IMAGE_SIZE, width * at // IMAGE_SIZE)
        for at, channels in NOISE_CHANNELS.items()
    }


def video_fields(rows: Tensor, phase_number: Tensor, width: int = IMAGE_SIZE) -> Tensor:
    """Make what interlaced video shows: a number per row, and which of two fields a row is in.

    Args:
        rows: (B, 1, H, 1) standard normal.
        phase_number: (B,) standard normal; its sign says which field the first row is in.
        width: of the image in pixels.

    Returns:
        (B, 2, H, width).
    """
    batch, _, height, _ = rows.shape
    shape = (batch, 1, height, width)
    field = 1.0 - 2.0 * (torch.arange(height, device=rows.device) % 2).to(rows.dtype)
    phase = torch.where(phase_number < 0, -1.0, 1.0).to(rows.dtype)
    parity = phase[:, None, None, None] * field[None, None, :, None]
    return torch.cat([rows.expand(shape), parity.expand(shape)], dim=1)


def _moments_of_groups(features: Tensor, normalisation: nn.GroupNorm) -> tuple[Tensor, Tensor]:
    """Return what group normalisation subtracts from an image and divides it by, (1, C, 1, 1) each.

    Rows are added up one by one: the sums are the same for any number of threads, and nothing as large as
    the features is made on the way.

    Args:
        features: of one image, (1, C, H, W).
        normalisation: the groups, and what is added to the variance.
    """
    rows = features[0].permute(1, 2, 0)  # (H, W, C)
    sums = rows.sum(dim=1, dtype=torch.float32).double().sum(dim=0)
    squares = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float32).double().square().sum(dim=0)
    groups = normalisation.num_groups
    in_group = features[0].numel() // groups
    mean, square = (each.reshape(groups, -1).sum(dim=1) / in_group for each in (sums, squares))
    deviation = (square - mean.square() + normalisation.eps).sqrt()
    mean, deviation = (
        each.float().repeat_interleave(features.shape[1] // groups)[None, :, None, None]
        for each in (mean, deviation)
    )
    return mean, deviation


def _with(features: Tensor, noise: Tensor) -> Tensor:
    return _channels_last(torch.cat([features, _channels_last(noise.to(features.dtype))], dim=1))


def _double(features: Tensor) -> Tensor:
    """Twice the resolution by bilinear interpolation (no checkerboard)."""
    return F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)


def _channels_last(features: Tensor) -> Tensor:
    return features.contiguous(memory_format=torch.channels_last)
