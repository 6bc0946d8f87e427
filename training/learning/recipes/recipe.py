"""What all recipes share: a generator, a discriminator, and an Adam optimiser for each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from endotwin.generator.architectures import Generator
from training.learning.distributed import average_gradients


class RecipeError(Exception):
    """A recipe cannot train this architecture."""


@dataclass(frozen=True)
class Crops:
    """Images and the instruments that took them, or that they are made to look like.

    Attributes:
        images: (B, 1, 128, 128) in -1..1.
        instruments: int64 (B,), the instrument that of each.
    """

    images: Tensor
    instruments: Tensor


@dataclass(frozen=True)
class AnnotatedCrops:
    """Crops of real images with the borders that experts drew.

    Attributes:
        images: (B, 1, 128, 128) in -1..1.
        borders: (B, 1, 128, 128), 1 on borders three pixels wide, else 0.
        areas: (B, 1, 128, 128), 1 where the borders are known, else 0.
    """

    images: Tensor
    borders: Tensor
    areas: Tensor


@dataclass(frozen=True)
class LearningRates:
    """Learning rates of the Adam optimisers; what teaches the generator may be faster than it is."""

    generator: float
    discriminator: float


class Recipe(ABC):
    """One way to train a generator.

    Attributes:
        pretrained: what pretrained networks it uses, for the card; empty for none.
        needs_annotations: whether its steps take crops with expert borders.
        averages_weights: whether a checkpoint has a running average of the weights, else the last ones.
        generator_waits: whether a step leaves the generator as it is, for a discriminator that knows
            nothing yet.
        augmentation: share of the images that a discriminator sees turned, zoomed and with a hole.
    """

    pretrained = ""
    needs_annotations = False
    averages_weights = True
    generator_waits = False
    augmentation = 0.0

    def __init__(
        self,
        generator: Generator,
        discriminator: nn.Module,
        rates: LearningRates,
        betas: tuple[float, float],
        autocast: torch.dtype | None,
    ) -> None:
        self.generator = generator
        self.discriminator = discriminator
        self.of_generator = torch.optim.Adam(generator.parameters(), rates.generator, betas)
        self.of_discriminator = torch.optim.Adam(discriminator.parameters(), rates.discriminator, betas)
        self.device = next(generator.parameters()).device
        self._autocast = autocast

    @abstractmethod
    def step(
        self,
        real: Crops,
        draws: Tensor,
        randomness: torch.Generator,
        annotated: AnnotatedCrops | None = None,
    ) -> dict[str, Tensor]:
        """Update discriminator and generator once, or the discriminator alone while the generator waits.

        Args:
            real: B crops.
            draws: (B, draws) standard normal.
            randomness: for augmentation, on the CPU.
            annotated: crops with expert borders, for a recipe that needs them.

        Returns:
            Losses by name, detached scalars.
        """

    def precision(self) -> torch.autocast:
        """Return an autocast to the chosen precision, or one that changes nothing."""
        return torch.autocast(self.device.type, self._autocast, enabled=self._autocast is not None)

    def update(self, optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
        """Take one step of an optimiser along the gradient, averaged over all processes."""
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        average_gradients(optimiser)
        optimiser.step()

    def state_dict(self) -> dict[str, Any]:
        """Return everything but the generator that a resumed run needs."""
        return {
            "discriminator": self.discriminator.state_dict(),
            "of_generator": self.of_generator.state_dict(),
            "of_discriminator": self.of_discriminator.state_dict(),
        }

    def rows_of_instruments(self) -> dict[str, dict[str, int]]:
        """Return which tensors of the state have a row for each instrument.

        Returns:
            For each part of the state that has any: by name of the tensor, how many rows come before those
            of the instruments, for all of them.
        """
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.discriminator.load_state_dict(state["discriminator"])
        self.of_generator.load_state_dict(state["of_generator"])
        self.of_discriminator.load_state_dict(state["of_discriminator"])
