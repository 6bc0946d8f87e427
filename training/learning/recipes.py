"""How a generator is trained: a recipe owns the discriminator, the losses and the optimisers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from endotwin.generator.architectures import Architecture, Generator
from endotwin.generator.dcgan import DcganArchitecture
from endotwin.generator.labelled import LabelledArchitecture, LabelledGenerator
from endotwin.mosaic.labels import SOFT_WIDTH
from endotwin.mosaic.parameters import Conditions
from endotwin.mosaic.scene import Scene
from training.learning.augmentation import augment
from training.learning.border_reader import BorderReader, disturb, reading_loss
from training.learning.discriminators.dcgan import DcganDiscriminator
from training.learning.discriminators.efficientnet_features import DESCRIPTION
from training.learning.discriminators.projected import (
    FeatureProjector,
    ProjectedDiscriminator,
    discriminator_hinge,
    generator_hinge,
)
from training.learning.distributed import average_gradients

RecipeName = Literal["paper", "projected", "rendered", "paired"]


_READING_WEIGHT = 3.0
"""Weight of what cannot be read beside the adversarial losses of six heads."""

_HALF_WIDTH = 1.5
"""Half the width, in pixels, of the borders that the recipe `paired` asks for."""

_AS_READABLE = 0.9
"""What the reader may lose on rendered images over what it loses on real ones, in the recipe `paired`. Less
than 1: part of the loss on real images comes from experts' lines that waver, and those of a label do not.
At 1 half of the borders are a pixel or more from their label (docs/trial.md)."""

_READER_RATE = 5.0
"""Learning rate of the reader over that of the others: it has to follow the generator."""


class RecipeError(Exception):
    """A recipe cannot train this architecture."""


@dataclass(frozen=True)
class Annotated:
    """Real crops with expert borders.

    Attributes:
        images: (B, 1, 128, 128) in -1..1.
        borders: (B, 1, 128, 128), 1 on borders three pixels wide, else 0.
        areas: (B, 1, 128, 128), 1 where the borders are known, else 0.
    """

    images: Tensor
    borders: Tensor
    areas: Tensor


class Recipe(Protocol):
    """One way to train a generator."""

    pretrained: str
    needs_annotations: bool

    def step(
        self, real: Tensor, draws: Tensor, randomness: torch.Generator, annotated: Annotated | None = None
    ) -> dict[str, Tensor]:
        """Update discriminator and generator once.

        Args:
            real: (B, 1, 128, 128) in -1..1.
            draws: (B, draws) standard normal.
            randomness: for augmentation, on the CPU.
            annotated: crops with expert borders, for a recipe that needs them.

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

    needs_annotations = False

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
        discriminator = DcganDiscriminator(architecture).to(device)
        super().__init__(generator, discriminator, learning_rate, (0.5, 0.999), autocast)

    def step(
        self, real: Tensor, draws: Tensor, randomness: torch.Generator, annotated: Annotated | None = None
    ) -> dict[str, Tensor]:
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

    def step(
        self, real: Tensor, draws: Tensor, randomness: torch.Generator, annotated: Annotated | None = None
    ) -> dict[str, Tensor]:
        """See `Recipe.step`."""
        with self.precision():
            fake = self.generator(draws)
        return self.compete(real, fake, randomness)

    def compete(
        self, real: Tensor, fake: Tensor, randomness: torch.Generator, penalty: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Update the discriminator, then the generator that made `fake`.

        Args:
            real: (B, 1, 128, 128) in -1..1.
            fake: the same, with the gradient of the generator.
            randomness: for augmentation, on the CPU.
            penalty: what the generator is also to make small, if anything.
        """
        with self.precision():
            with torch.no_grad():
                seen_real = self.projector(augment(real, randomness))
            # The projection is frozen: the fakes' serves the discriminator's and the generator's step.
            seen_fake = self.projector(augment(fake, randomness))
            on_real = self.discriminator(seen_real)
            on_fake = self.discriminator([x.detach() for x in seen_fake])
            loss_d = discriminator_hinge(on_real, on_fake)
        self.update(self.of_discriminator, loss_d)
        self.discriminator.requires_grad_(False)
        with self.precision():
            loss_g = generator_hinge(self.discriminator(seen_fake))
        self.update(self.of_generator, loss_g if penalty is None else loss_g + penalty)
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


class RenderedRecipe(ProjectedRecipe):
    """The projected recipe for a labelled generator, whose borders have to be where its label says.

    A reader learns to find the label's borders in rendered images, and the generator is penalised for what
    cannot be read. No annotated image is needed: label → image → label is the cycle of cycle-consistent
    training (Zhu et al., ICCV 2017), for the one direction in which labels are unlimited.
    """

    def __init__(
        self,
        generator: Generator,
        architecture: Architecture,
        learning_rate: float,
        autocast: torch.dtype | None,
    ) -> None:
        if not isinstance(generator, LabelledGenerator):
            raise RecipeError(
                "the recipe `rendered` trains networks with labels (preset labelled); use the recipe "
                "`projected` for this one"
            )
        super().__init__(generator, architecture, learning_rate, autocast)
        self.labelled = generator
        self.reader = BorderReader().to(self.device).to(memory_format=torch.channels_last)
        self.of_reader = torch.optim.Adam(self.reader.parameters(), learning_rate * _READER_RATE)

    def step(
        self, real: Tensor, draws: Tensor, randomness: torch.Generator, annotated: Annotated | None = None
    ) -> dict[str, Tensor]:
        """See `Recipe.step`."""
        scenes = self.labelled.draw_scenes(draws.cpu().numpy(), Conditions())
        borders, seen = self._label_maps(scenes)
        with self.precision():
            fake = self.labelled.render_scenes(draws, scenes)
            loss_r = self._teaching_loss(Annotated(fake.detach(), borders, seen), annotated, randomness)
        self.update(self.of_reader, loss_r)
        self.reader.requires_grad_(False)
        with self.precision():
            unread = self._read(fake, borders, seen, randomness)
        penalty = _READING_WEIGHT * self.excess(unread, loss_r.detach())
        losses = self.compete(real, fake, randomness, penalty)
        self.reader.requires_grad_(True)
        return {**losses, "loss_reader": loss_r.detach(), "unread": unread.detach()}

    def excess(self, unread: Tensor, taught: Tensor) -> Tensor:
        """Return what the generator is to make small besides: here everything that cannot be read.

        Args:
            unread: the reader's loss on rendered images, with the generator's gradient.
            taught: its loss on the images it learned from in this step.
        """
        return unread

    def _teaching_loss(
        self, rendered: Annotated, annotated: Annotated | None, randomness: torch.Generator
    ) -> Tensor:
        """Return what the reader is to make small; it learns from the rendered images."""
        return self._read(rendered.images, rendered.borders, rendered.areas, randomness)

    def _read(self, images: Tensor, borders: Tensor, seen: Tensor, randomness: torch.Generator) -> Tensor:
        disturbed, (borders, seen) = disturb(images, [borders, seen], randomness)
        return reading_loss(self.reader(disturbed), borders, seen)

    def _label_maps(self, scenes: list[Scene]) -> tuple[Tensor, Tensor]:
        """Return borders and where guttae leave them visible, each (B, 1, 128, 128), 0 to 1."""
        border = torch.from_numpy(np.stack([scene.raster.border for scene in scenes]))[:, None]
        guttae = torch.from_numpy(np.stack([scene.guttae for scene in scenes]))[:, None]
        return self._border_map(border).to(self.device), (~guttae).float().to(self.device)

    def _border_map(self, distance: Tensor) -> Tensor:
        """Turn distances to the border in pixels into the map that the reader learns."""
        return torch.exp(-0.5 * (distance / SOFT_WIDTH) ** 2)

    def state_dict(self) -> dict[str, Any]:
        """See `Recipe.state_dict`."""
        return {
            **super().state_dict(),
            "reader": self.reader.state_dict(),
            "of_reader": self.of_reader.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Recipe.load_state_dict`."""
        super().load_state_dict(state)
        self.reader.load_state_dict(state["reader"])
        self.of_reader.load_state_dict(state["of_reader"])


class PairedRecipe(RenderedRecipe):
    """As `rendered`, but the reader learns from expert borders on real images alone.

    So a border has to look, where the label has it, as experts see borders; and the reader and the
    generator cannot agree on a way of drawing them that no expert would read. Rendered borders have to be
    about as easy to read as the experts' are on real images, and no easier: a segmenter that only ever saw
    clear borders cuts hazy cells in two (docs/trial.md).
    """

    needs_annotations = True

    def excess(self, unread: Tensor, taught: Tensor) -> Tensor:
        """Return what is harder to read than real images are; see `RenderedRecipe.excess`."""
        return F.relu(unread - _AS_READABLE * taught)

    def _teaching_loss(
        self, rendered: Annotated, annotated: Annotated | None, randomness: torch.Generator
    ) -> Tensor:
        if annotated is None:
            raise RecipeError("the recipe `paired` needs images with expert borders")
        return self._read(annotated.images, annotated.borders, annotated.areas, randomness)

    def _border_map(self, distance: Tensor) -> Tensor:
        """Borders three pixels wide, as the experts' are taken."""
        return (distance <= _HALF_WIDTH).float()


RECIPES: dict[RecipeName, type[PaperRecipe] | type[ProjectedRecipe]] = {
    "paper": PaperRecipe,
    "projected": ProjectedRecipe,
    "rendered": RenderedRecipe,
    "paired": PairedRecipe,
}


DEFAULT_RECIPES = "rendered for the preset labelled, else projected"


def default_recipe(architecture: Architecture) -> RecipeName:
    """Return the recipe that suits an architecture, where the user names none."""
    return "rendered" if isinstance(architecture, LabelledArchitecture) else "projected"


def _cross_entropy(scores: Tensor, target: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, target))
