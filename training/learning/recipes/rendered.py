"""The recipe `rendered`: `projected`, and a reader that finds the label's borders in rendered images."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from endotwin.generator.architectures import Architecture, Generator
from endotwin.generator.labelled import LabelledGenerator
from endotwin.mosaic.labels import SOFT_WIDTH
from endotwin.mosaic.parameters import Conditions, Range
from endotwin.mosaic.scene import Scene
from training.learning.border_reader import BorderReader, disturb, reading_loss
from training.learning.recipes.projected import ProjectedRecipe
from training.learning.recipes.recipe import AnnotatedCrops, Crops, LearningRates, RecipeError

_READING_WEIGHT = 3.0
"""Weight of the reader's loss beside the adversarial losses of six heads."""

_CLARITY_WEIGHT = 5.0
"""Weight of what the network misses of the clarity, in units of -1..1: ten grey levels count 0.4."""

_READER_RATE = 5.0
"""Learning rate of the reader over the discriminators': it has to follow the generator."""


_OTHERS_SHARE = 4
"""One image more for so many: with cells of sizes that its instrument's images do not have."""

_LARGE = Conditions(density=Range(low=500.0, high=1500.0), clarity=Range(low=5.0, high=35.0))


class RenderedRecipe(ProjectedRecipe):
    """The projected recipe for a labelled generator, whose borders have to be at those of its label.

    A reader learns to find the label's borders in rendered images, and the generator is penalised for what
    cannot be read. No annotated image is needed: label → image → label is the cycle of cycle-consistent
    training (Zhu et al., ICCV 2017), for the one direction in which labels are unlimited.
    """

    def __init__(
        self,
        generator: Generator,
        architecture: Architecture,
        rates: LearningRates,
        autocast: torch.dtype | None,
    ) -> None:
        if not isinstance(generator, LabelledGenerator):
            raise RecipeError(
                "the recipe `rendered` trains networks with labels (preset labelled); use the recipe "
                "`projected` for this one"
            )
        super().__init__(generator, architecture, rates, autocast)
        self.labelled = generator
        self.reader = BorderReader().to(self.device).to(memory_format=torch.channels_last)
        self.of_reader = torch.optim.Adam(self.reader.parameters(), rates.discriminator * _READER_RATE)

    def step(
        self,
        real: Crops,
        draws: Tensor,
        randomness: torch.Generator,
        annotated: AnnotatedCrops | None = None,
    ) -> dict[str, Tensor]:
        """See `Recipe.step`."""
        usual = self.labelled.draw_scenes(draws.cpu().numpy(), Conditions(), sizes_of_instruments=True)
        # Cells of other sizes than in the instrument's real images are read, but not compared with these: a
        # discriminator would have large ones divided. Half are very large, half as they are served.
        others = torch.randn(max(1, len(draws) // _OTHERS_SHARE), draws.shape[1], generator=randomness)
        large, served = np.array_split(others.numpy(), 2)
        scenes = usual + self.labelled.draw_scenes(large, _LARGE)
        scenes += self.labelled.draw_scenes(served, Conditions())
        borders, seen = self._label_maps(scenes)
        with self.precision(), torch.set_grad_enabled(not self.generator_waits):
            every = torch.cat([draws, others.to(draws.device)])
            rendered, missing = self.labelled.render_and_correct(every, scenes)
        generated = Crops(rendered[: len(draws)], self.labelled.instruments(draws))
        with self.precision():
            loss_r = self._teaching_loss(
                AnnotatedCrops(rendered.detach(), borders, seen), annotated, randomness
            )
        self.update(self.of_reader, loss_r)
        if self.generator_waits:
            return {**self.compete(real, generated, randomness), "loss_reader": loss_r.detach()}
        self.reader.requires_grad_(False)
        of_usual, of_others = slice(len(draws)), slice(len(draws), None)
        with self.precision():
            unread, unread_others = (
                self._read(rendered[part], borders[part], seen[part], randomness)
                for part in (of_usual, of_others)
            )
        # Large cells have few borders, so there is less to misread: they may not make up for the usual.
        taught = loss_r.detach()
        taught_others = taught * borders[of_others].mean() / borders[of_usual].mean()
        excess = self.excess(unread, taught) + self.excess(unread_others, taught_others) / _OTHERS_SHARE
        missed = missing.abs().mean()
        penalty = _READING_WEIGHT * excess + _CLARITY_WEIGHT * missed
        losses = self.compete(real, generated, randomness, penalty)
        self.reader.requires_grad_(True)
        return {
            **losses,
            "loss_reader": loss_r.detach(),
            "unread": unread.detach(),
            "missed": missed.detach(),
        }

    def excess(self, unread: Tensor, taught: Tensor) -> Tensor:
        """Return the additional loss of the generator: here all that the reader loses on rendered images.

        Args:
            unread: the reader's loss on rendered images, with the generator's gradient.
            taught: its loss on the images it learned from in this step.
        """
        return unread

    def _teaching_loss(
        self, rendered: AnnotatedCrops, annotated: AnnotatedCrops | None, randomness: torch.Generator
    ) -> Tensor:
        """Return the loss of the reader; it learns from the rendered images."""
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
