"""The checkpoint of a set, and the generator that makes its images on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from service.device import describe_device, resolve_device
from service.models import BatchSource, choose_default, load_checkpoints
from service.sets.manifest import SetError
from service.settings import Settings
from training.checkpoint import Checkpoint, load_checkpoint
from training.sampler import Sampler


@dataclass(frozen=True)
class Generator:
    """A checkpoint on its device, and what the manifest says of the device."""

    source: BatchSource
    device: str


def choose_checkpoint(settings: Settings, model: str | None, path: Path | None) -> Checkpoint:
    """Load the checkpoint of a file, else that of a name, else the default.

    Raises:
        SetError: there is no model of that name.
        service.settings.SettingsError: the folder of checkpoints cannot be used.
        training.checkpoint.CheckpointError: the checkpoint cannot be used.
    """
    if path is not None:
        return load_checkpoint(path, require_fid=not settings.allow_unscored)
    checkpoints = load_checkpoints(settings.checkpoint_dir, allow_unscored=settings.allow_unscored)
    if model is not None and model not in checkpoints:
        raise SetError(f"there is no model {model!r}; there are {', '.join(sorted(checkpoints))}")
    return checkpoints[model or choose_default(checkpoints, settings.default_model)]


def load_generator(checkpoint: Checkpoint, settings: Settings) -> Generator:
    """Move a checkpoint to the device of the settings.

    Raises:
        service.settings.SettingsError: the device is not there.
    """
    target = resolve_device(settings.device)
    return Generator(Sampler(checkpoint, str(target)), describe_device(target))


def with_device(settings: Settings, device: str | None) -> Settings:
    """Return the settings, with another device if one is named.

    Raises:
        SetError: no device can have that name.
    """
    if device is None:
        return settings
    try:
        return Settings(**{**settings.model_dump(), "device": device})
    except ValidationError as error:
        raise SetError(f"the device must be auto, cpu, cuda or cuda:INDEX, got {device!r}") from error
