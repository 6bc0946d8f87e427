"""What makes the images of a set on this machine."""

from __future__ import annotations

from dataclasses import dataclass

from service.device import describe_device, resolve_device
from service.models import BatchSource
from service.settings import Settings
from training.checkpoint import Checkpoint
from training.sampler import Sampler


@dataclass(frozen=True)
class Generator:
    """A checkpoint on its device, and what the manifest says of the device."""

    source: BatchSource
    device: str


def load_generator(checkpoint: Checkpoint, settings: Settings) -> Generator:
    """Move a checkpoint to the device of the settings.

    Raises:
        service.settings.SettingsError: the device is not there.
    """
    target = resolve_device(settings.device)
    return Generator(Sampler(checkpoint, str(target)), describe_device(target))
