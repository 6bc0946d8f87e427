"""The `paper` generator: transposed convolutions from a latent vector to 128 × 128 pixels."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

KERNEL = 5
LEAK = 0.2


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
        self.apply(initialise)

    def instruments(self, draws: Tensor) -> Tensor:
        """Return the instrument of each image, int64 (B,): always 0, there is but one."""
        return draws.new_zeros(len(draws)).long()

    def forward(self, draws: Tensor) -> Tensor:
        """Map standard normal numbers (B, draws) to images (B, 1, 128, 128) in -1..1."""
        images: Tensor = self.layers(draws[:, :, None, None])
        return images


def initialise(module: nn.Module) -> None:
    """Weights from N(0, 0.02), as Radford et al. (DCGAN, ICLR 2016) set them."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
