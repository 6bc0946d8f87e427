"""Every recipe by its name, and the default of an architecture."""

from __future__ import annotations

from endotwin.generator.architectures import Architecture
from endotwin.generator.labelled import LabelledArchitecture
from training.learning.recipes.names import RecipeName
from training.learning.recipes.paired import PairedRecipe
from training.learning.recipes.paper import PaperRecipe
from training.learning.recipes.projected import ProjectedRecipe
from training.learning.recipes.rendered import RenderedRecipe

RECIPES: dict[str, type[PaperRecipe] | type[ProjectedRecipe]] = {
    "paper": PaperRecipe,
    "projected": ProjectedRecipe,
    "rendered": RenderedRecipe,
    "paired": PairedRecipe,
}


def default_recipe(architecture: Architecture) -> RecipeName:
    """Return the recipe for an architecture, where the user names none."""
    return "rendered" if isinstance(architecture, LabelledArchitecture) else "projected"
