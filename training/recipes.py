"""How a generator is trained: a recipe owns the discriminator, the losses and the optimisers."""

from __future__ import annotations

from typing import Any, Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.augmentation import augment
from training.distributed import average_gradients
from training.networks import (
    Architecture,
    DcganArchitecture,
    Generator,
    build_dcgan_discriminator,
)
from training.pretrained_features import DESCRIPTION
from training.projected_discriminator import (
    FeatureProjector,
    ProjectedDiscriminator,
    discriminator_hinge,
    generator_hinge,
)

RecipeName = Literal["paper", "projected"]


class RecipeError(Exception):
    """A recipe cannot train this architecture."""


class Recipe(Protocol):
    """One way to train a generator."""

    pretrained: str

    def step(self, real: Tensor, draws: Tensor, randomness: torch.Generator) -> dict[str, Tensor]:
        """Update discriminator and generator once.

        Args:
            real: (B, 1, 128, 128) in -1..1.
            draws: (B, draws) standard normal.
            randomness: for augmentation, on the CPU.

        Returns:
            Losses by name, detached scalars.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """Everything beside the generator that a resumed run needs."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        ...


class _Adversaries:
    """A generator, a discriminator, and an Adam optimiser for each."""

    def __init__(
        self,
        generator: Generator,
        discriminator: nn.Module,
        learning_rate: float,
        betas: tuple[float, float],
        autocast: torch.dtype | None,
    ) -> None:
        self.generator = generator
        self.discriminator = discriminator
        self.of_generator = torch.optim.Adam(generator.parameters(), learning_rate, betas)
        self.of_discriminator = torch.optim.Adam(discriminator.parameters(), learning_rate, betas)
        self.device = next(generator.parameters()).device
        self._autocast = autocast

    def precision(self) -> torch.autocast:
        """Autocast to the chosen precision, or a context that changes nothing."""
        return torch.autocast(self.device.type, self._autocast, enabled=self._autocast is not None)

    def update(self, optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        average_gradients(optimiser)
        optimiser.step()

    def state_dict(self) -> dict[str, Any]:
        return {
            "discriminator": self.discriminator.state_dict(),
            "of_generator": self.of_generator.state_dict(),
            "of_discriminator": self.of_discriminator.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.discriminator.load_state_dict(state["discriminator"])
        self.of_generator.load_state_dict(state["of_generator"])
        self.of_discriminator.load_state_dict(state["of_discriminator"])


class PaperRecipe(_Adversaries):
    """Binary cross-entropy and Adam, without augmentation (QCAV 2021; betas as in DCGAN)."""

    pretrained = ""

    def __init__(
        self,
        generator: Generator,
        architecture: Architecture,
        learning_rate: float,
        autocast: torch.dtype | None,
    ) -> None:
        if not isinstance(architecture, DcganArchitecture):
            raise RecipeError(
                "the recipe `paper` trains the paper's networks (preset paper, or any dcgan architecture); "
                "use the recipe `projected` for this one"
            )
        device = next(generator.parameters()).device
        discriminator = build_dcgan_discriminator(architecture).to(device)
        super().__init__(generator, discriminator, learning_rate, (0.5, 0.999), autocast)

    def step(self, real: Tensor, draws: Tensor, randomness: torch.Generator) -> dict[str, Tensor]:
        """See `Recipe.step`."""
        with self.precision():
            fake = self.generator(draws)
            on_real, on_fake = self.discriminator(real).float(), self.discriminator(fake.detach()).float()
            loss_d = _cross_entropy(on_real, 1.0) + _cross_entropy(on_fake, 0.0)
        self.update(self.of_discriminator, loss_d)
        with self.precision():
            loss_g = _cross_entropy(self.discriminator(fake).float(), 1.0)
        self.update(self.of_generator, loss_g)
        return {"loss_d": loss_d.detach(), "loss_g": loss_g.detach()}


class ProjectedRecipe(_Adversaries):
    """Projected discriminators, hinge loss, differentiable augmentation: the best FID per hour here."""

    pretrained = DESCRIPTION

    def __init__(
        self,
        generator: Generator,
        architecture: Architecture,
        learning_rate: float,
        autocast: torch.dtype | None,
    ) -> None:
        device = next(generator.parameters()).device
        self.projector = FeatureProjector().to(device).to(memory_format=torch.channels_last)
        discriminator = ProjectedDiscriminator().to(device).to(memory_format=torch.channels_last)
        super().__init__(generator, discriminator, learning_rate, (0.0, 0.99), autocast)

    def step(self, real: Tensor, draws: Tensor, randomness: torch.Generator) -> dict[str, Tensor]:
        """See `Recipe.step`."""
        with self.precision():
            with torch.no_grad():
                seen_real = self.projector(augment(real, randomness))
            # The projection is frozen: the fakes' serves the discriminator's and the generator's step.
            seen_fake = self.projector(augment(self.generator(draws), randomness))
            on_real = self.discriminator(seen_real)
            on_fake = self.discriminator([x.detach() for x in seen_fake])
            loss_d = discriminator_hinge(on_real, on_fake)
        self.update(self.of_discriminator, loss_d)
        self.discriminator.requires_grad_(False)
        with self.precision():
            loss_g = generator_hinge(self.discriminator(seen_fake))
        self.update(self.of_generator, loss_g)
        self.discriminator.requires_grad_(True)
        return {
            "loss_d": loss_d.detach(),
            "loss_g": loss_g.detach(),
            "score_real": torch.stack([r.mean() for r in on_real]).mean().detach(),
            "score_fake": torch.stack([f.mean() for f in on_fake]).mean().detach(),
        }

    def state_dict(self) -> dict[str, Any]:
        """See `Recipe.state_dict`; the random projections are part of it."""
        return {**super().state_dict(), "projector": self.projector.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Recipe.load_state_dict`."""
        super().load_state_dict(state)
        self.projector.load_state_dict(state["projector"])


RECIPES: dict[RecipeName, type[PaperRecipe] | type[ProjectedRecipe]] = {
    "paper": PaperRecipe,
    "projected": ProjectedRecipe,
}


def _cross_entropy(scores: Tensor, target: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, target))
