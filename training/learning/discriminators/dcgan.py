"""The discriminator of the `paper` recipe."""

from __future__ import annotations

from torch import Tensor, nn

from endotwin.generator.dcgan import KERNEL, LEAK, DcganArchitecture, initialise


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
        self.apply(initialise)

    def forward(self, images: Tensor) -> Tensor:
        """Score images (B, 1, 128, 128) in -1..1; returns logits (B,), positive for real."""
        scores: Tensor = self.layers(images)
        return scores.flatten()
