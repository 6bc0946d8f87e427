"""The recipe `paired`: `rendered`, but the reader learns from experts."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from training.learning.recipes.recipe import AnnotatedCrops, RecipeError
from training.learning.recipes.rendered import RenderedRecipe

_HALF_WIDTH = 1.5
"""Half the width, in pixels, of the borders that the reader learns."""

_AS_READABLE = 0.75
"""Loss of the reader on rendered images over its loss on real ones, above which the generator is penalised.
Less than 1: part of the loss on real images comes from wavering expert lines, and those of a label do not
waver. How deep borders are is set by the clarity, so the penalty moves them to their place and cannot make
them clearer."""


class PairedRecipe(RenderedRecipe):
    """As `rendered`, but the reader learns from expert borders on real images alone.

    So a border has to look, where the label has it, as experts see borders; and the reader and the
    generator cannot agree on a way of drawing them that no expert would read. Rendered borders have to be
    easy to read, and as clear as was drawn for them, no clearer: a segmenter that only ever saw clear
    borders cuts hazy cells in two (docs/trial.md).
    """

    needs_annotations = True

    def excess(self, unread: Tensor, taught: Tensor) -> Tensor:
        """Return by how much the loss exceeds that on real images; see `RenderedRecipe.excess`."""
        return F.relu(unread - _AS_READABLE * taught)

    def _teaching_loss(
        self, rendered: AnnotatedCrops, annotated: AnnotatedCrops | None, randomness: torch.Generator
    ) -> Tensor:
        if annotated is None:
            raise RecipeError("the recipe `paired` needs images with expert borders")
        return self._read(annotated.images, annotated.borders, annotated.areas, randomness)

    def _border_map(self, distance: Tensor) -> Tensor:
        """Borders three pixels wide, as the experts' are taken."""
        return (distance <= _HALF_WIDTH).float()
