"""Which checkpoint an order of the command line gets, and the device that it names."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from service.labelling import Labelling, LabellingError
from service.models import choose_default, choose_labelled, load_checkpoints, population_of
from service.settings import Settings
from training.checkpoint import Checkpoint, load_checkpoint


class OrderError(ValueError):
    """An order that nothing can fulfil; the message says what is allowed."""


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
        OrderError: there is no model of that name.
        service.labelling.LabellingError: the model that was named has no labels, or none has.
        service.settings.SettingsError: the folder of checkpoints cannot be used.
        training.checkpoint.CheckpointError: the checkpoint cannot be used.
    """
    if path is not None:
        checkpoint = load_checkpoint(path, require_fid=not settings.allow_unscored)
        if labelling and population_of(checkpoint.card) is None:
            raise LabellingError("checkpoint", f"{path}: has no labels and takes no conditions")
        return checkpoint
    checkpoints = load_checkpoints(settings.checkpoint_dir, allow_unscored=settings.allow_unscored)
    if model is not None and model not in checkpoints:
        raise OrderError(f"there is no model {model!r}; there are {', '.join(sorted(checkpoints))}")
    default = choose_default(checkpoints, settings.default_model)
    if labelling:
        cards = {name: checkpoint.card for name, checkpoint in checkpoints.items()}
        return checkpoints[choose_labelled(cards, model, default, labelling.field)]
    return checkpoints[model or default]


def with_device(settings: Settings, device: str | None) -> Settings:
    """Return the settings, with another device if one is named, checked as the variable is.

    Raises:
        OrderError: no device can have that name.
    """
    if device is None:
        return settings
    try:
        return Settings(**{**settings.model_dump(), "device": device})
    except ValidationError as error:
        raise OrderError(f"the device must be auto, cpu, cuda or cuda:INDEX, got {device!r}") from error
