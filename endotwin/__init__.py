"""Synthetic images of the human corneal endothelium, with labels, by checkpoint, seed and index.

>>> import endotwin
>>> endotwin.load("compact").images(seed=7, count=4).shape
(4, 128, 128)
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from endotwin.generator.sampler import Sampler

__all__ = ["load"]

__version__ = "0.1.0"


def load(checkpoint: str | Path, device: str = "auto") -> Sampler:
    """Load a checkpoint to generate images with.

    Args:
        checkpoint: name of one that ships or is in ENDOTWIN_CHECKPOINT_DIR, such as `compact`; or the path
            of a `.safetensors` file.
        device: auto (a GPU if there is one), cpu, cuda or cuda:INDEX.

    Raises:
        ChoiceError: there is no checkpoint of that name, or no device can have that name.
        CheckpointError: the file cannot be used.
        SettingsError: the folder of checkpoints or the device is not there.
    """
    # Torch takes seconds to import.
    from endotwin.catalogue import choose_checkpoint, with_device  # noqa: PLC0415
    from endotwin.checkpoint_files import CHECKPOINT_SUFFIX  # noqa: PLC0415
    from endotwin.generator.device import resolve_device  # noqa: PLC0415
    from endotwin.generator.sampler import Sampler  # noqa: PLC0415
    from endotwin.samples.labelling import PLAIN  # noqa: PLC0415
    from endotwin.settings import load_settings  # noqa: PLC0415

    settings = with_device(load_settings(), device)
    is_file = isinstance(checkpoint, Path) or checkpoint.endswith(CHECKPOINT_SUFFIX)
    model, path = (None, Path(checkpoint)) if is_file else (str(checkpoint), None)
    return Sampler(choose_checkpoint(settings, PLAIN, model, path), str(resolve_device(settings.device)))
