"""The models a service offers: the checkpoints of one folder, by the name in their card."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from service.labelling import LabellingError
from service.settings import SettingsError, variable
from training.card import Card
from training.checkpoint import SUFFIX, Checkpoint, load_checkpoint
from training.labelled_network import LabelledArchitecture
from training.mosaic.parameters import Conditions, ImagePopulation
from training.mosaic.scene import Scene

PREFERRED = "compact"
"""The default where a folder holds several checkpoints and no setting names one."""


class BatchSource(Protocol):
    """What a stream needs of a `training.sampler.Sampler`."""

    def batch(self, seed: int, block: int) -> np.ndarray:
        """Generate one aligned batch, uint8 (BATCH, 128, 128)."""
        ...

    def scenes(self, seed: int, block: int, conditions: Conditions) -> tuple[np.ndarray, list[Scene]]:
        """Generate one aligned batch under conditions, and its scenes: of labelled models only."""
        ...


class DividedSource(BatchSource, Protocol):
    """A source that can draw scenes apart from the device, as a `training.sampler.Sampler` can."""

    def draw(
        self, seed: int, block: int, conditions: Conditions, before_each: Callable[[], None]
    ) -> tuple[np.ndarray, list[Scene]]:
        """Do the part of `scenes` that needs no device, in any thread: draws for `render`, and scenes."""
        ...

    def render(self, draws: np.ndarray, scenes: Sequence[Scene]) -> np.ndarray:
        """Do the other part: the images."""
        ...


@dataclass(frozen=True)
class Model:
    """A checkpoint that is loaded: its card, the sha256 of its file, and what generates its images."""

    card: Card
    sha256: str
    sampler: DividedSource

    @property
    def name(self) -> str:
        """The name in the card."""
        return self.card.name

    @property
    def fid(self) -> float | None:
        """The recorded FID; None for an unscored checkpoint."""
        return recorded_fid(self.card)

    @property
    def population(self) -> ImagePopulation | None:
        """What is drawn where a request sets no condition; None for a model without labels."""
        return population_of(self.card)


class Models:
    """All models of a service, and which one a request gets that names none."""

    def __init__(self, models: Iterable[Model], default: str) -> None:
        self._by_name = {model.name: model for model in sorted(models, key=lambda model: model.name)}
        self.default = self._by_name[default]

    def __iter__(self) -> Iterator[Model]:
        return iter(self._by_name.values())

    @property
    def names(self) -> list[str]:
        """The names, sorted."""
        return list(self._by_name)

    def get(self, name: str) -> Model | None:
        """Return a model by name, or None if there is none of that name."""
        return self._by_name.get(name)

    def labelled(self, wanted: str | None, field: str) -> Model:
        """Return the model for a request with labels or conditions; see `choose_labelled`."""
        cards = {model.name: model.card for model in self}
        return self._by_name[choose_labelled(cards, wanted, self.default.name, field)]


def recorded_fid(card: Card) -> float | None:
    """Return the recorded FID, generated against training crops; None for an unscored checkpoint."""
    return card.fid.generated_training.fid if card.fid else None


def population_of(card: Card) -> ImagePopulation | None:
    """Return the cells of a labelled model's training images; None for a model without labels."""
    return card.architecture.population if isinstance(card.architecture, LabelledArchitecture) else None


def load_checkpoints(folder: Path, *, allow_unscored: bool) -> dict[str, Checkpoint]:
    """Load every checkpoint of a folder, on the CPU.

    Returns:
        The checkpoints by the name in their card.

    Raises:
        SettingsError: the folder is missing or holds no checkpoint, or two of them have the same name.
        training.checkpoint.CheckpointError: a file cannot be used; the message names it and says why.
    """
    if not folder.is_dir():
        raise SettingsError(
            f"{variable('checkpoint_dir')}: there is no folder {folder} to load checkpoints from"
        )
    paths = sorted(path for path in folder.glob(f"*{SUFFIX}") if not path.name.startswith("."))
    if not paths:
        raise SettingsError(
            f"{variable('checkpoint_dir')}: no *{SUFFIX} in {folder}; train one, or name another folder"
        )
    checkpoints: dict[str, Checkpoint] = {}
    for path in paths:
        checkpoint = load_checkpoint(path, require_fid=not allow_unscored)
        name = checkpoint.card.name
        if name in checkpoints:
            raise SettingsError(f"{checkpoints[name].path} and {path}: both cards have the name {name!r}")
        checkpoints[name] = checkpoint
    return checkpoints


def choose_default(names: Iterable[str], wanted: str | None) -> str:
    """Choose the model of a request that names none.

    Raises:
        SettingsError: the wanted one is not there, or none is wanted and the choice is not clear.
    """
    names = sorted(names)
    listed = ", ".join(names)
    if wanted is not None:
        if wanted not in names:
            raise SettingsError(f"{variable('default_model')}: no model {wanted!r}; there are {listed}")
        return wanted
    if len(names) == 1:
        return names[0]
    if PREFERRED in names:
        return PREFERRED
    raise SettingsError(f"set {variable('default_model')} to one of {listed}")


def choose_labelled(cards: Mapping[str, Card], wanted: str | None, default: str, field: str) -> str:
    """Choose the model of a request with labels or conditions.

    Args:
        cards: of all models, by name.
        wanted: the model that the request names.
        default: the model of a request that names none. It is taken if it has labels; else the labelled one
            with the best recorded FID.
        field: the parameter that takes a labelled model.

    Raises:
        LabellingError: the wanted model has no labels, or none has.
    """
    able = [name for name, card in sorted(cards.items()) if population_of(card) is not None]
    if not able:
        raise LabellingError(field, f"{field} takes a labelled model, and there is none here")
    if wanted is not None and wanted not in able:
        raise LabellingError(
            "model", f"model {wanted} has no labels and takes no conditions; {', '.join(able)} can"
        )

    def rank(name: str) -> tuple[bool, float]:
        fid = recorded_fid(cards[name])
        return name != default, math.inf if fid is None else fid

    return wanted or min(able, key=rank)
