"""The names of the recipes, which settings and help texts need without loading a network."""

from __future__ import annotations

from typing import Literal, get_args

RecipeName = Literal["paper", "projected", "rendered", "paired"]

RECIPE_NAMES: tuple[RecipeName, ...] = get_args(RecipeName)

DEFAULT_RECIPES = "rendered for the preset labelled, else projected"
"""What `default_recipe` returns, for help texts."""
