"""The recipe `paper`: as published in QCAV 2021."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from endotwin.generator.architectures import Architecture, Generator
from endotwin.generator.dcgan import DcganArchitecture
from training.learning.discriminators.dcgan import DcganDiscriminator
from training.learning.recipes.recipe import AnnotatedCrops, Crops, LearningRates, Recipe, RecipeError


class PaperRecipe(Recipe):
    """Binary cross-entropy and Adam, without augmentation (QCAV 2021; betas as in DCGAN).

    The weights are those of the last step: an average of weights that swing as they do here draws no cells.
    """

    averages_weights = False

    def __init__(
        self,
        generator: Generator,
        architecture: Architecture,
        rates: LearningRates,
        autocast: torch.dtype | None,
    ) -> None:
        if not isinstance(architecture, DcganArchitecture):
            raise RecipeError(
                "the recipe `paper` trains the paper's networks (preset paper, or any dcgan architecture); "
                "use the recipe `projected` for this one"
            )
        device = next(generator.parameters()).device
        discriminator = DcganDiscriminator(architecture).to(device)
        super().__init__(generator, discriminator, rates, (0.5, 0.999), autocast)

    def step(
        self,
        real: Crops,
        draws: Tensor,
        randomness: torch.Generator,
        annotated: AnnotatedCrops | None = None,
    ) -> dict[str, Tensor]:
        """See `Recipe.step`."""
        with self.precision():
            fake = self.generator(draws)
            on_real, on_fake = (
                self.discriminator(real.images).float(),
                self.discriminator(fake.detach()).float(),
            )
            loss_d = _cross_entropy(on_real, 1.0) + _cross_entropy(on_fake, 0.0)
        self.update(self.of_discriminator, loss_d)
        if self.generator_waits:
            return {"loss_d": loss_d.detach()}
        with self.precision():
            loss_g = _cross_entropy(self.discriminator(fake).float(), 1.0)
        self.update(self.of_generator, loss_g)
        return {"loss_d": loss_d.detach(), "loss_g": loss_g.detach()}


def _cross_entropy(scores: Tensor, target: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, target))
