"""The recipe `projected`: discriminators on pretrained features (Sauer et al., NeurIPS 2021)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from endotwin.generator.architectures import Architecture, Generator
from endotwin.generator.dcgan import DcganArchitecture
from endotwin.image_range import IMAGE_SIZE
from training.learning.augmentation import augment
from training.learning.discriminators.efficientnet_features import DESCRIPTION
from training.learning.discriminators.projected import (
    FeatureProjector,
    ProjectedDiscriminator,
    discriminator_hinge,
    generator_hinge,
)
from training.learning.recipes.recipe import AnnotatedCrops, Crops, LearningRates, Recipe
from training.learning.spectrum import SpectrumGap

_SPECTRUM_WEIGHT = 10.0
"""Weight of the spectrum's gap beside the adversarial losses of six heads."""


class ProjectedRecipe(Recipe):
    """Projected discriminators, hinge loss, differentiable augmentation.

    A network that tells instruments apart is also held to the power spectrum of each.
    """

    pretrained = DESCRIPTION

    def __init__(
        self,
        generator: Generator,
        architecture: Architecture,
        rates: LearningRates,
        autocast: torch.dtype | None,
    ) -> None:
        device = next(generator.parameters()).device
        self.projector = FeatureProjector().to(device).to(memory_format=torch.channels_last)
        instruments = 0 if isinstance(architecture, DcganArchitecture) else len(architecture.instruments)
        self.projected = (
            ProjectedDiscriminator(instruments).to(device).to(memory_format=torch.channels_last)
        )
        super().__init__(generator, self.projected, rates, (0.0, 0.99), autocast)
        self.spectrum = SpectrumGap(IMAGE_SIZE, instruments).to(device) if instruments else None

    def step(
        self,
        real: Crops,
        draws: Tensor,
        randomness: torch.Generator,
        annotated: AnnotatedCrops | None = None,
    ) -> dict[str, Tensor]:
        """See `Recipe.step`."""
        with self.precision(), torch.set_grad_enabled(not self.generator_waits):
            fake = self.generator(draws)
        return self.compete(real, Crops(fake, self.generator.instruments(draws)), randomness)

    def compete(
        self,
        real: Crops,
        fake: Crops,
        randomness: torch.Generator,
        penalty: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Update the discriminator, then the generator that made `fake`, unless it waits.

        Args:
            real: real crops.
            fake: generated images, with the gradient of the generator unless it waits.
            randomness: for augmentation, on the CPU.
            penalty: an additional loss of the generator, if any.
        """
        if not self.projector.scaled:
            self.projector.learn_scale(real.images)
        with self.precision():
            with torch.no_grad():
                seen_real = self.projector(augment(real.images, self.augmentation, randomness))
            # The projection is frozen: the fakes' serves the discriminator's and the generator's step.
            seen_fake = self.projector(augment(fake.images, self.augmentation, randomness))
            on_real = self.discriminator(seen_real, real.instruments)
            on_fake = self.discriminator([x.detach() for x in seen_fake], fake.instruments)
            loss_d = discriminator_hinge(on_real, on_fake)
        self.update(self.of_discriminator, loss_d)
        losses = {
            "loss_d": loss_d.detach(),
            "score_real": torch.stack([r.mean() for r in on_real]).mean().detach(),
            "score_fake": torch.stack([f.mean() for f in on_fake]).mean().detach(),
        }
        if self.generator_waits:
            return losses
        self.discriminator.requires_grad_(False)
        with self.precision():
            loss_g = generator_hinge(self.discriminator(seen_fake, fake.instruments))
        total = loss_g if penalty is None else loss_g + penalty
        if self.spectrum is not None:
            push, losses["spectrum_gap"] = self.spectrum(
                real.images, real.instruments, fake.images, fake.instruments
            )
            total = total + _SPECTRUM_WEIGHT * push
        self.update(self.of_generator, total)
        self.discriminator.requires_grad_(True)
        return {**losses, "loss_g": loss_g.detach()}

    def state_dict(self) -> dict[str, Any]:
        """See `Recipe.state_dict`; the random projections are part of it."""
        spectrum = {} if self.spectrum is None else {"spectrum": self.spectrum.state_dict()}
        return {**super().state_dict(), "projector": self.projector.own_state(), **spectrum}

    def rows_of_instruments(self) -> dict[str, dict[str, int]]:
        """See `Recipe.rows_of_instruments`."""
        rows = {"discriminator": dict.fromkeys(self.projected.rows_of_scores(), 1)}
        if self.spectrum is not None:
            rows["spectrum"] = dict.fromkeys(self.spectrum.state_dict(), 0)
        return rows

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Recipe.load_state_dict`."""
        super().load_state_dict(state)
        self.projector.load_own_state(state["projector"])
        if self.spectrum is not None:
            self.spectrum.load_state_dict(state["spectrum"])
