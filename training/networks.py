"""The networks, and the numbers that describe them.

An architecture (pydantic model) says everything needed to build a network again; it is stored in the
checkpoint's card. Every generator takes one flat row of standard normal numbers per image, `draws`
of them, and nothing else: whatever is random in an image comes from that row.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from training.labelled_network import LabelledArchitecture, LabelledGenerator
from training.mosaic_network import MosaicArchitecture, MosaicGenerator
from training.network_layout import IMAGE_SIZE


class DcganArchitecture(BaseModel):
    """The paper's generator: transposed convolutions from a latent vector, 1 → 4 → 8 → … → 128.

    Attributes:
        latent: length of the latent vector (the paper: 16).
        channels: channels after each of the first five layers, widest first.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["dcgan"] = "dcgan"
    latent: int = Field(default=16, ge=1, le=4096)
    channels: tuple[int, int, int, int, int] = (2048, 1024, 512, 256, 128)


Architecture = Annotated[
    DcganArchitecture | MosaicArchitecture | LabelledArchitecture, Field(discriminator="kind")
]

KERNEL = 5
LEAK = 0.2

PRESETS: dict[str, Architecture] = {
    "paper": DcganArchitecture(),
    "compact": MosaicArchitecture(),
    "labelled": LabelledArchitecture(),
}
"""Named architectures: `paper` is the QCAV 2021 network, `compact` trains on two CPU cores, and so does
`labelled`, whose images come with labels."""


class DcganGenerator(nn.Module):
    """The generator of Dussy Lachaud et al. (QCAV 2021).

    Six transposed convolutions with kernel 5; batch normalisation and leaky ReLU after the first five,
    tanh after the last. The 1 × 1 latent becomes 4 × 4 with stride 2, padding 1 and output padding 1.
    """

    def __init__(self, architecture: DcganArchitecture) -> None:
        super().__init__()
        self.draws = architecture.latent
        widths = (architecture.latent, *architecture.channels)
        layers: list[nn.Module] = []
        for i in range(len(architecture.channels)):
            layers += [
                nn.ConvTranspose2d(
                    widths[i],
                    widths[i + 1],
                    KERNEL,
                    stride=2,
                    padding=1 if i == 0 else 2,
                    output_padding=1,
                    bias=False,
                ),
                nn.BatchNorm2d(widths[i + 1]),
                nn.LeakyReLU(LEAK, inplace=True),
            ]
        layers += [
            nn.ConvTranspose2d(widths[-1], 1, KERNEL, stride=2, padding=2, output_padding=1),
            nn.Tanh(),
        ]
        self.layers = nn.Sequential(*layers)

    def forward(self, draws: Tensor) -> Tensor:
        """Map standard normal numbers (B, draws) to images (B, 1, 128, 128) in -1..1."""
        images: Tensor = self.layers(draws[:, :, None, None])
        return images


class DcganDiscriminator(nn.Module):
    """The mirror of the generator: six strided convolutions with kernel 5 that end in one score."""

    def __init__(self, architecture: DcganArchitecture) -> None:
        super().__init__()
        widths = (1, *reversed(architecture.channels))
        layers: list[nn.Module] = []
        for i in range(len(architecture.channels)):
            layers.append(nn.Conv2d(widths[i], widths[i + 1], KERNEL, stride=2, padding=2, bias=i == 0))
            if i > 0:  # as in DCGAN, the layer that sees the pixels is not normalised
                layers.append(nn.BatchNorm2d(widths[i + 1]))
            layers.append(nn.LeakyReLU(LEAK, inplace=True))
        layers.append(nn.Conv2d(widths[-1], 1, KERNEL, stride=2, padding=1))
        self.layers = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """Score images (B, 1, 128, 128) in -1..1; returns logits (B,), positive for real."""
        scores: Tensor = self.layers(images)
        return scores.flatten()


Generator = DcganGenerator | MosaicGenerator | LabelledGenerator


def build_generator(architecture: Architecture) -> Generator:
    """Build the generator an architecture describes, with fresh weights."""
    if isinstance(architecture, DcganArchitecture):
        generator: Generator = DcganGenerator(architecture)
        generator.apply(_initialise_dcgan)
        return generator
    if isinstance(architecture, MosaicArchitecture):
        return MosaicGenerator(architecture)
    return LabelledGenerator(architecture)


def _initialise_dcgan(module: nn.Module) -> None:
    """Weights from N(0, 0.02), as Radford et al. (DCGAN, ICLR 2016) set them."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)


def build_dcgan_discriminator(architecture: DcganArchitecture) -> DcganDiscriminator:
    """Build the paper's discriminator for one of its generators, with fresh weights."""
    discriminator = DcganDiscriminator(architecture)
    discriminator.apply(_initialise_dcgan)
    return discriminator


def to_grey_levels(images: Tensor) -> Tensor:
    """Turn images in -1..1 (B, 1, H, W) into 8-bit grey levels (B, H, W), rounded to nearest."""
    return torch.round((images[:, 0].float() + 1.0) * 127.5).clamp_(0, 255).to(torch.uint8)


__all__ = [
    "IMAGE_SIZE",
    "PRESETS",
    "Architecture",
    "DcganArchitecture",
    "DcganDiscriminator",
    "DcganGenerator",
    "Generator",
    "LabelledArchitecture",
    "LabelledGenerator",
    "MosaicArchitecture",
    "MosaicGenerator",
    "build_dcgan_discriminator",
    "build_generator",
    "to_grey_levels",
]
