"""The network that predicts for every pixel whether it is on a border: a small U-Net."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn

FEATURES = (8, 16, 32, 64, 64, 8)
"""Channels of the five levels and of the last one: 297,361 parameters."""

_LEAK = 0.1


class UNet(nn.Module):
    """MONAI's BasicUNet in two dimensions (Falk et al., Nature Methods 16, 2019), weight by weight.

    Written out, since MONAI takes ten seconds to import and is not needed to segment an image.
    """

    def __init__(self) -> None:
        """Draw weights from torch's generator."""
        super().__init__()
        one, two, three, four, five, last = FEATURES
        self.conv_0 = _convolutions(1, one)
        self.down_1 = _Down(one, two)
        self.down_2 = _Down(two, three)
        self.down_3 = _Down(three, four)
        self.down_4 = _Down(four, five)
        self.upcat_4 = _Up(five, five // 2, four, four)
        self.upcat_3 = _Up(four, four // 2, three, three)
        self.upcat_2 = _Up(three, three // 2, two, two)
        self.upcat_1 = _Up(two, two, one, last)
        self.final_conv = nn.Conv2d(last, 1, kernel_size=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits of the shape of the images, float32 (n, 1, H, W); H and W multiples of 16."""
        levels = [self.conv_0(images)]
        for down in (self.down_1, self.down_2, self.down_3, self.down_4):
            levels.append(down(levels[-1]))
        found = levels.pop()
        for up in (self.upcat_4, self.upcat_3, self.upcat_2, self.upcat_1):
            found = up(found, levels.pop())
        logits: torch.Tensor = self.final_conv(found)
        return logits


class _Down(nn.Sequential):
    def __init__(self, given: int, made: int) -> None:
        super().__init__(OrderedDict(max_pooling=nn.MaxPool2d(2), convs=_convolutions(given, made)))


class _Up(nn.Module):
    def __init__(self, given: int, enlarged: int, beside: int, made: int) -> None:
        super().__init__()
        self.upsample = nn.Sequential(OrderedDict(deconv=nn.ConvTranspose2d(given, enlarged, 2, stride=2)))
        self.convs = _convolutions(beside + enlarged, made)

    def forward(self, maps: torch.Tensor, beside: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.convs(torch.cat([beside, self.upsample(maps)], dim=1))
        return found


def _convolutions(given: int, made: int) -> nn.Sequential:
    return nn.Sequential(OrderedDict(conv_0=_convolution(given, made), conv_1=_convolution(made, made)))


def _convolution(given: int, made: int) -> nn.Sequential:
    after = nn.Sequential(OrderedDict(N=nn.InstanceNorm2d(made, affine=True), A=nn.LeakyReLU(_LEAK)))
    return nn.Sequential(OrderedDict(conv=nn.Conv2d(given, made, 3, padding=1), adn=after))


def new_segmenter(seed: int) -> nn.Module:
    """Return the network, one channel in and one logit out, with the random weights of a seed.

    In: float32 (n, 1, H, W), see `standardised`; H and W multiples of 16. Out: logits of the same shape.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return UNet()


def standardised(images: torch.Tensor) -> torch.Tensor:
    """Return images (n, 1, H, W), of any scale of grey, each with mean 0 and standard deviation 1."""
    deviation, mean = torch.std_mean(images, dim=(1, 2, 3), keepdim=True)
    return (images - mean) / deviation.clamp_min(1e-6)
