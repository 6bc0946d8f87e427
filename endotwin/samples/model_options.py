"""By which checkpoint images are made, and on what device, as the options of a command name them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from endotwin.catalogue import choose_checkpoint, with_device
from endotwin.files import OutputError
from endotwin.generator.card_file import CheckpointError
from endotwin.generator.checkpoint import Checkpoint
from endotwin.generator.device import resolve_device
from endotwin.samples.labelling import Labelling
from endotwin.samples.mask_files import MaskFileError
from endotwin.settings import SettingsError, load_settings

MAKING_FAILURES = (CheckpointError, MaskFileError, OSError, OutputError, SettingsError)
"""What can go wrong with valid options; each says so in words for the caller."""


@dataclass(frozen=True)
class ModelOptions:
    """What makes images.

    Attributes:
        model: name of a checkpoint that the service has; None for the one that the service would choose.
        checkpoint: a checkpoint file, instead of a name.
        device: as in `Settings`; None for what is set there.
    """

    model: str | None = None
    checkpoint: Path | None = None
    device: str | None = None

    def load(self, labelling: Labelling) -> tuple[Checkpoint, torch.device]:
        """Load the checkpoint, on the CPU, and return the device to move it to.

        Args:
            labelling: what comes with the images.

        Raises:
            ChoiceError: there is no model of that name, or no device can have that name.
            LabellingError: the model that was named has no labels or sets no clarity, or none does.
            SettingsError: a setting or the device does not fit this machine.
            CheckpointError: the checkpoint cannot be used.
        """
        settings = with_device(load_settings(), self.device)
        target = resolve_device(settings.device, None if self.device is None else "--device")
        return choose_checkpoint(settings, labelling, self.model, self.checkpoint), target
