"""Start a run from the state of an earlier one, on images of more instruments.

The discriminators go on with what they know. A run that starts from a checkpoint has new ones, which its
generator, good already, outruns (docs/training.md).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from endotwin.generator.architectures import Architecture
from endotwin.generator.dcgan import DcganArchitecture
from training.learning.recipes.recipe import Recipe
from training.learning.saved_run import SavedRun
from training.learning.warm_start import WarmStartError


def take_over(recipe: Recipe, earlier: SavedRun, architecture: Architecture) -> None:
    """Give a new recipe the networks and optimisers of an earlier run.

    An instrument that the earlier run has, by name, keeps its outputs; a new one starts with those for all
    instruments alone. Optimisers keep what they know of tensors of the same shape; their rates are the new
    ones. What the earlier run has not, such as a reader of borders, starts anew.

    Args:
        recipe: of the new run.
        earlier: the earlier run.
        architecture: of the new run.

    Raises:
        WarmStartError: the earlier run's networks are built otherwise.
    """
    known = _instruments(earlier.checkpoint.card.architecture)
    wanted = _instruments(architecture)
    of_instruments = recipe.rows_of_instruments()
    state = recipe.state_dict()
    for part, now in state.items():
        had = earlier.recipe.get(part)
        if had is None:
            continue
        where = f"{earlier.checkpoint.path}: its {part}"
        if part.startswith("of_"):
            state[part] = _same_shapes(getattr(recipe, part), had)
            continue
        if now.keys() != had.keys():
            raise WarmStartError(f"{where} is built otherwise: {sorted(now.keys() ^ had.keys())[:3]}")
        rows = of_instruments.get(part, {})
        for key, tensor in had.items():
            fitted = tensor
            if key in rows:
                fitted = _rows_by_name(tensor, now[key], rows[key], known, wanted)
            if fitted.shape != now[key].shape:
                raise WarmStartError(
                    f"{where} is built otherwise: {key} has shape {tuple(tensor.shape)}, "
                    f"needed is {tuple(now[key].shape)}"
                )
            now[key] = fitted
    recipe.load_state_dict(state)


def _instruments(architecture: Architecture) -> list[str]:
    if isinstance(architecture, DcganArchitecture):
        return []
    return [instrument.name for instrument in architecture.instruments]


def _rows_by_name(had: Tensor, now: Tensor, for_all: int, known: list[str], wanted: list[str]) -> Tensor:
    """Return rows for the wanted instruments: those known by the same name, else zeros.

    Args:
        had: (for_all + number of known instruments, …), or (for_all, …) if these are not told apart.
        now: a tensor of the shape that is needed.
        for_all: number of the first rows, which belong to no instrument.
        known: names of the instruments of `had`.
        wanted: names of those of `now`.
    """
    rows = had.new_zeros(now.shape[:1] + had.shape[1:])
    rows[:for_all] = had[:for_all]
    for new, name in enumerate(wanted, for_all):
        if name in known and new < len(rows) and for_all + known.index(name) < len(had):
            rows[new] = had[for_all + known.index(name)]
    return rows


def _same_shapes(optimiser: torch.optim.Optimizer, had: dict[str, Any]) -> dict[str, Any]:
    """Return the state of an optimiser with what an earlier one knows of tensors of the same shape."""
    tensors = [tensor for group in optimiser.param_groups for tensor in group["params"]]
    known = {
        number: moments
        for number, moments in had["state"].items()
        if number < len(tensors) and moments["exp_avg"].shape == tensors[number].shape
    }
    return {**optimiser.state_dict(), "state": known}
