"""The checkpoints of a folder, by the name in their card, and the one that a request gets."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from endotwin.checkpoint_files import checkpoint_paths
from endotwin.generator.card import Card
from endotwin.generator.checkpoint import Checkpoint, load_checkpoint
from endotwin.generator.labelled import LabelledArchitecture
from endotwin.mosaic.parameters import CONDITION_LIMITS, ImagePopulation
from endotwin.samples.labelling import Labelling, LabellingError
from endotwin.settings import Settings, SettingsError, variable

PREFERRED = "compact"
"""The default where a folder holds several checkpoints and no setting names one."""

PREFERRED_LABELLED = "labelled"
"""The same for labels and conditions, if the default has none: FIDs on different images do not compare."""


class ChoiceError(ValueError):
    """A model, device or set that is not there; the message says which there are.

    Attributes:
        field: the parameter at fault, if it is one.
    """

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


def recorded_fid(card: Card) -> float | None:
    """Return the recorded FID, generated against training crops; None for an unscored checkpoint."""
    return card.fid.generated_training.fid if card.fid else None


def population_of(card: Card) -> ImagePopulation | None:
    """Return the cells of a labelled model's training images; None for a model without labels."""
    return card.architecture.population if isinstance(card.architecture, LabelledArchitecture) else None


def warning_of(card: Card) -> str | None:
    """Return what everyone who uses a checkpoint without a recorded FID is told; None with one."""
    if card.fid is not None:
        return None
    return f"Warning: {card.name} is unscored: nobody has measured how real its images look"


def load_checkpoints(folder: Path, *, allow_unscored: bool) -> dict[str, Checkpoint]:
    """Load every checkpoint of a folder, on the CPU.

    Returns:
        The checkpoints by the name in their card.

    Raises:
        SettingsError: the folder is missing or holds no checkpoint, or two of them have the same name.
        CheckpointError: a file cannot be used; the message names it and says why.
    """
    checkpoints: dict[str, Checkpoint] = {}
    for path in checkpoint_paths(folder):
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


def takes_clarity(card: Card) -> bool:
    """Return whether a model sets the clarity of its images: those trained since it is a condition do."""
    architecture = card.architecture
    return isinstance(architecture, LabelledArchitecture) and bool(architecture.instruments)


def conditions_of(card: Card) -> dict[str, tuple[float, float]]:
    """Return the conditions that a model takes, each with its least and greatest value, by name."""
    if population_of(card) is None:
        return {}
    return {
        name: limits
        for name, limits in CONDITION_LIMITS.items()
        if name != "clarity" or takes_clarity(card)
    }


def labelled_in_order(cards: Mapping[str, Card], default: str) -> list[str]:
    """Return the labelled models, those first that a request with labels gets before others.

    Args:
        cards: of all models, by name.
        default: the model of a request that names none. It comes first if it has labels; then the preferred
            one, then the others by their recorded FID, unscored ones last.
    """

    def rank(name: str) -> tuple[bool, bool, float, str]:
        fid = recorded_fid(cards[name])
        return name != default, name != PREFERRED_LABELLED, math.inf if fid is None else fid, name

    return sorted((name for name, card in cards.items() if population_of(card) is not None), key=rank)


def choose_labelled(
    cards: Mapping[str, Card], wanted: str | None, default: str, labelling: Labelling
) -> str:
    """Choose the model of a request with labels or conditions.

    Args:
        cards: of all models, by name.
        wanted: the model that the request names; else the first one of `labelled_in_order` that can do it.
        default: the model of a request that names none.
        labelling: what the request asks for.

    Raises:
        LabellingError: the wanted model has no labels or does not take a condition, or none does.
    """
    field = labelling.field
    able = labelled_in_order(cards, default)
    if not able:
        raise LabellingError(field, f"{field} takes a labelled model, and there is none here")
    if wanted is not None and wanted not in able:
        raise LabellingError(
            "model", f"model {wanted} has no labels and takes no conditions; {', '.join(sorted(able))} can"
        )

    if "clarity" in labelling.given:
        able = [name for name in able if takes_clarity(cards[name])]
        if not able or (wanted is not None and wanted not in able):
            raise LabellingError("clarity", _no_clarity(wanted, sorted(able)))

    return wanted or able[0]


def _no_clarity(wanted: str | None, able: Sequence[str]) -> str:
    who = "no model here" if wanted is None else f"model {wanted}"
    others = f"; {', '.join(able)} can" if able else ""
    verb = "sets" if wanted is None else "does not set"
    return f"{who} {verb} the clarity of its images{others}"


def check_labelling(card: Card, labelling: Labelling, name: str, field: str) -> None:
    """Check that a model has the labels and takes the conditions that are asked for.

    Args:
        card: of the model.
        labelling: what is asked for.
        name: of the model, for the message.
        field: that named the model.

    Raises:
        LabellingError: it does not.
    """
    if labelling and population_of(card) is None:
        raise LabellingError(field, f"{name} has no labels and takes no conditions")
    if "clarity" in labelling.given and not takes_clarity(card):
        raise LabellingError("clarity", f"{name} does not set the clarity of its images")


def choose_checkpoint(
    settings: Settings, labelling: Labelling, model: str | None, path: Path | None
) -> Checkpoint:
    """Load the checkpoint of a file, else that of a name, else the one that the service would choose.

    Args:
        settings: where checkpoints are, and which is the default.
        labelling: what comes with the images.
        model: a name, or None.
        path: a checkpoint file, or None.

    Raises:
        ChoiceError: there is no model of that name.
        LabellingError: the model that was named has no labels, or none has.
        SettingsError: the folder of checkpoints cannot be used.
        CheckpointError: the checkpoint cannot be used.
    """
    if path is not None:
        # Whoever names a file may use it unscored; a folder that is served is the operator's to decide on.
        checkpoint = load_checkpoint(path, require_fid=False)
        check_labelling(checkpoint.card, labelling, f"{path}:", "checkpoint")
        return checkpoint
    checkpoints = load_checkpoints(settings.checkpoint_dir, allow_unscored=settings.allow_unscored)
    if model is not None and model not in checkpoints:
        raise ChoiceError(
            f"there is no model {model!r}; there are {', '.join(sorted(checkpoints))}", "model"
        )
    default = model or choose_default(checkpoints, settings.default_model)
    if labelling:
        cards = {name: checkpoint.card for name, checkpoint in checkpoints.items()}
        return checkpoints[choose_labelled(cards, model, default, labelling)]
    return checkpoints[default]


def with_device(settings: Settings, device: str | None) -> Settings:
    """Return the settings, with another device if one is named, checked as the variable is.

    Raises:
        ChoiceError: no device can have that name.
    """
    if device is None:
        return settings
    problem = f"the device must be auto, cpu, cuda or cuda:INDEX, got {device!r}"
    if "," in device:
        raise ChoiceError(problem, "device")
    try:
        return Settings(**{**settings.model_dump(), "device": device})
    except ValidationError as error:
        raise ChoiceError(problem, "device") from error
