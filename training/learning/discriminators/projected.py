"""The discriminator of the `projected` recipe.

Sauer et al., "Projected GANs converge faster" (NeurIPS 2021): small discriminators on frozen pretrained
features, mixed across channels and scales by random, frozen convolutions. One more sees the pixels
themselves, since the rows and grain of the instrument are lost in those features; it starts
with a pixel-unshuffle by two, so that it sees every row without the cost of full resolution.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed import ReduceOp
from torch.nn.utils.parametrizations import spectral_norm

from training.learning.discriminators.efficientnet_features import FEATURE_CHANNELS, PretrainedFeatures
from training.learning.distributed import reduce_over_processes

_MIXED_CHANNELS = (32, 32, 64, 64, 64)
_FEATURE_SIZES = (64, 32, 16, 8, 4)
_HEAD_WIDTH = 64
_PIXEL_CHANNELS = 4
_PIXEL_WIDTH = 48
_LEAST_HIDDEN = 2
_PRETRAINED = "features"
_LEAK = 0.2
_EPSILON = 1e-6


class FeatureProjector(nn.Module):
    """Images → five feature maps and the unshuffled pixels. Frozen, but lets gradients through."""

    def __init__(self) -> None:
        super().__init__()
        self.features = PretrainedFeatures()
        deeper = (*_MIXED_CHANNELS[1:], 0)
        self.project = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 1, bias=False)
            for inputs, outputs in zip(FEATURE_CHANNELS, _MIXED_CHANNELS, strict=True)
        )
        self.carry = nn.ModuleList(
            nn.Conv2d(inputs, outputs, 1, bias=False)
            for inputs, outputs in zip(deeper[:-1], _MIXED_CHANNELS[:-1], strict=True)
        )
        self.mix = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False) for channels in _MIXED_CHANNELS
        )
        for module in (*self.project, *self.carry, *self.mix):
            nn.init.kaiming_normal_(module.weight, nonlinearity="linear")
        self.requires_grad_(False)
        for level, channels in enumerate((*_MIXED_CHANNELS, _PIXEL_CHANNELS)):
            self.register_buffer(f"mean{level}", torch.zeros(1, channels, 1, 1))
            self.register_buffer(f"scale{level}", torch.ones(1, channels, 1, 1))
        self.register_buffer("scaled", torch.tensor(False))
        self.scaled: Tensor

    @torch.no_grad()
    def learn_scale(self, images: Tensor) -> None:
        """Take mean and standard deviation of every channel from real images, once.

        Args:
            images: (B, 1, 128, 128) in -1..1; with several processes those of all count.
        """
        for level, x in enumerate(self._projections(images)):
            moments = torch.stack([torch.ones_like(x), x, x.square()]).sum(dim=(1, 3, 4), keepdim=True)
            reduce_over_processes(moments, ReduceOp.SUM)
            count, total, squares = moments
            mean = total / count
            variance = (squares / count - mean.square()).clamp_min(0.0)
            getattr(self, f"mean{level}").copy_(mean)
            getattr(self, f"scale{level}").copy_(torch.rsqrt(variance + _EPSILON))
        self.scaled.fill_(True)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images (B, 1, 128, 128) in -1..1 to the inputs of the six heads, finest features first.

        Once `learn_scale` was called, a channel has mean 0 and variance 1 over real images; as they are,
        those of the pixels spread by 0.4 and those of the finest features by 7.
        """
        return [
            (x - getattr(self, f"mean{level}")) * getattr(self, f"scale{level}")
            for level, x in enumerate(self._projections(images))
        ]

    def own_state(self) -> dict[str, Tensor]:
        """Return what is of this projector alone: `state_dict` without the pretrained features."""
        return {
            name: tensor
            for name, tensor in self.state_dict().items()
            if not name.startswith(f"{_PRETRAINED}.")
        }

    def load_own_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `own_state` returned.

        Raises:
            RuntimeError: it is of a projector of another kind.
        """
        if state.keys() != self.own_state().keys():
            raise RuntimeError(f"other tensors: {sorted(state.keys() ^ self.own_state().keys())[:3]}")
        self.load_state_dict(state, strict=False)

    def _projections(self, images: Tensor) -> list[Tensor]:
        features = self.features(images)
        mixed: list[Tensor] = []
        below: Tensor | None = None
        for level in reversed(range(len(features))):
            x = self.project[level](features[level])
            if below is not None:
                x = x + F.interpolate(self.carry[level](below), scale_factor=2, mode="bilinear")
            below = self.mix[level](x)
            mixed.insert(0, below)
        return [*mixed, F.pixel_unshuffle(images, 2)]


def _head(inputs: int, size: int, width: int, outputs: int, *, normalise: bool) -> nn.Sequential:
    """Strided convolutions from `size` down to 8 or less, then a 4 × 4 convolution to patch scores.

    Small maps go through convolutions of stride 1 instead: without a hidden layer a head could tell nothing
    but a difference of means.
    """
    layers: list[nn.Module] = []
    hidden = 0
    while size > 8 or hidden < _LEAST_HIDDEN:
        kernel, stride = (4, 2) if size > 8 else (3, 1)
        layers.append(
            spectral_norm(nn.Conv2d(inputs, width, kernel, stride, padding=1, bias=not normalise))
        )
        if normalise:
            layers.append(nn.BatchNorm2d(width))
        layers.append(nn.LeakyReLU(_LEAK, inplace=True))
        inputs, size, hidden = width, size // stride, hidden + 1
    layers.append(spectral_norm(nn.Conv2d(inputs, outputs, min(4, size))))
    return nn.Sequential(*layers)


class ProjectedDiscriminator(nn.Module):
    """Six heads over the projections of one batch; each gives a map of scores.

    With several instruments a score is the sum of one for all and one for the image's own, so that each
    instrument's images are compared with its own (Miyato and Koyama, "cGANs with projection
    discriminator", ICLR 2018).
    """

    def __init__(self, instruments: int = 0) -> None:
        """Build it with fresh weights.

        Args:
            instruments: how many are told apart; 0 and 1 are the same.
        """
        super().__init__()
        self.instruments = instruments if instruments > 1 else 0
        outputs = 1 + self.instruments
        heads = [
            _head(channels, size, _HEAD_WIDTH, outputs, normalise=True)
            for channels, size in zip(_MIXED_CHANNELS, _FEATURE_SIZES, strict=True)
        ]
        heads.append(_head(_PIXEL_CHANNELS, 64, _PIXEL_WIDTH, outputs, normalise=False))
        self.heads = nn.ModuleList(heads)

    def forward(self, projections: list[Tensor], instruments: Tensor) -> list[Tensor]:
        """Score the projections of one batch.

        Args:
            projections: of the images, see `FeatureProjector`.
            instruments: int64 (B,), the instrument of each image.

        Returns:
            One tensor (B, scores) per head.
        """
        return [self._score(head(x), instruments) for head, x in zip(self.heads, projections, strict=True)]

    def rows_of_scores(self) -> list[str]:
        """Return the names of the tensors, in `state_dict`, that have a row for each score of a place."""
        names = []
        for number, head in enumerate(self.heads):
            last = len(head) - 1  # type: ignore[arg-type]
            names += [
                f"heads.{number}.{last}.{name}"
                for name, tensor in head[last].state_dict().items()  # type: ignore[index]
                if not name.endswith("._v")
            ]
        return names

    def _score(self, maps: Tensor, instruments: Tensor) -> Tensor:
        scores = maps[:, 0]
        if self.instruments:
            scores = scores + maps[torch.arange(len(maps), device=maps.device), 1 + instruments]
        return scores.flatten(1)


def discriminator_hinge(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """Hinge loss of the discriminator, summed over heads (Lim and Ye, "Geometric GAN", 2017)."""
    losses = [F.relu(1.0 - r).mean() + F.relu(1.0 + f).mean() for r, f in zip(real, fake, strict=True)]
    return torch.stack(losses).sum()


def generator_hinge(fake: list[Tensor]) -> Tensor:
    """Loss of the generator that goes with the hinge loss, summed over heads."""
    return torch.stack([-f.mean() for f in fake]).sum()
