"""A loss on the power spectrum: generated images of an instrument have that of its real ones.

The discriminators see little of the finest structure, so peaks and dips from the network's enlargements
stay (Durall et al., "Watch your up-convolution", CVPR 2020).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributed import ReduceOp

from training.learning.distributed import reduce_over_processes

_KEEP = 0.98
"""Share of the running mean that stays at each step: some fifty steps count."""

_FEWEST = 64
"""Images of an instrument, real and generated, before its spectrum is compared."""

_FLOOR = 1e-12


class PowerSpectrum(nn.Module):
    """Power of square images over rings of frequencies, along rows and along columns."""

    def __init__(self, size: int) -> None:
        """Prepare for images of `size` × `size` pixels, an even number."""
        super().__init__()
        self.highest = size // 2
        window = torch.hann_window(size, periodic=True)
        frequency = torch.fft.fftfreq(size, 1.0 / size)
        rows, columns = frequency[:, None], torch.fft.rfftfreq(size, 1.0 / size)[None, :]
        ring = torch.round(torch.hypot(rows, columns)).long().flatten()
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("ring", ring, persistent=False)
        self.register_buffer("members", torch.bincount(ring).float(), persistent=False)
        self.window: Tensor
        self.ring: Tensor
        self.members: Tensor

    def forward(self, images: Tensor) -> Tensor:
        """Return the power at 1, 2, … S / 2 cycles: rings, then rows, then columns.

        As `training.scores.image_statistics.power_spectrum`, but for half of the plane, which real images
        mirror in the other.

        Args:
            images: (B, 1, S, S) in -1..1.

        Returns:
            float32 (B, 3 · S / 2).
        """
        grey = images[:, 0].float()
        grey = grey - grey.mean(dim=(1, 2), keepdim=True)
        square = self.window[:, None] * self.window[None, :]
        plane = torch.fft.rfft2(grey * square).abs().square() / square.square().sum()
        rings = plane.new_zeros(len(plane), len(self.members)).index_add(1, self.ring, plane.flatten(1))
        parts = [(rings / self.members)[:, 1 : self.highest + 1]]
        for turned in (grey, grey.transpose(1, 2)):
            lines = (turned - turned.mean(dim=2, keepdim=True)) * self.window
            power = torch.fft.rfft(lines, dim=2).abs().square().mean(dim=1)
            parts.append((power / self.window.square().sum())[:, 1:])
        return torch.cat(parts, dim=1)


class SpectrumGap(nn.Module):
    """Running mean powers of real and of generated images of each instrument, and the loss of their gap.

    A batch has too few images of an instrument to tell its spectrum. So the gap is taken between running
    means, and the images of the batch are pushed along its derivative.
    """

    def __init__(self, size: int, instruments: int) -> None:
        """Begin with nothing seen.

        Args:
            size: of the images in pixels.
            instruments: how many are told apart, at least 1.
        """
        super().__init__()
        self.powers = PowerSpectrum(size)
        frequencies = 3 * (size // 2)
        for name in ("real", "fake"):
            self.register_buffer(name, torch.zeros(instruments, frequencies))
            self.register_buffer(f"{name}_seen", torch.zeros(instruments))
        self.real: Tensor
        self.fake: Tensor
        self.real_seen: Tensor
        self.fake_seen: Tensor

    def forward(
        self, real: Tensor, real_instruments: Tensor, fake: Tensor, fake_instruments: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Take a batch into the running means and compare them.

        Args:
            real: (B, 1, S, S) in -1..1.
            real_instruments: int64 (B,).
            fake: (B, 1, S, S), with the gradient of the generator.
            fake_instruments: int64 (B,).

        Returns:
            A scalar whose gradient is that of the mean squared difference of logarithms of power, with the
            running means as they are; and that difference itself, without a gradient.
        """
        power = self.powers(fake)
        with torch.no_grad():
            _take(self.real, self.real_seen, self.powers(real), real_instruments)
            _take(self.fake, self.fake_seen, power, fake_instruments)
            ready = (self.real_seen >= _FEWEST) & (self.fake_seen >= _FEWEST)
            gap = torch.log((self.fake + _FLOOR) / (self.real + _FLOOR)) * ready[:, None]
            towards = 2.0 * gap[fake_instruments] / (self.fake[fake_instruments] + _FLOOR)
            seen = gap.square().mean(dim=1)[ready]
        return (towards * power).mean(), seen.mean() if len(seen) else seen.sum()


def _take(mean: Tensor, seen: Tensor, power: Tensor, instruments: Tensor) -> None:
    """Move the running mean of each instrument by the powers of its images in this batch."""
    total = torch.zeros_like(mean).index_add(0, instruments, power)
    count = torch.zeros_like(seen).index_add(0, instruments, torch.ones_like(power[:, 0]))
    reduce_over_processes(total, ReduceOp.SUM)
    reduce_over_processes(count, ReduceOp.SUM)
    for k in torch.nonzero(count).flatten().tolist():
        # A plain mean at first, so that the zeros it starts with count nothing.
        share = max(float(count[k] / (seen[k] + count[k])), 1.0 - _KEEP)
        mean[k].lerp_(total[k] / count[k], share)
        seen[k] += count[k]
