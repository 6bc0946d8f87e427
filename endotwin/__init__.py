"""Synthetic images of the human corneal endothelium, with labels, by checkpoint, seed and index.

>>> import endotwin
>>> endotwin.load("compact").images(seed=7, count=4).shape
(4, 128, 128)
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from endotwin.client.async_client import AsyncClient
    from endotwin.client.client import Client
    from endotwin.client.errors import (
        ClientError,
        ConnectionFailedError,
        JobFailedError,
        MismatchError,
        ServiceError,
    )
    from endotwin.loaded_model import LoadedModel
    from endotwin.samples.arrays import Sample

__all__ = [
    "AsyncClient",
    "Client",
    "ClientError",
    "ConnectionFailedError",
    "JobFailedError",
    "MismatchError",
    "Sample",
    "ServiceError",
    "load",
]

__version__ = "0.1.0"

_MODULES = {
    "AsyncClient": "endotwin.client.async_client",
    "Client": "endotwin.client.client",
    "ClientError": "endotwin.client.errors",
    "ConnectionFailedError": "endotwin.client.errors",
    "JobFailedError": "endotwin.client.errors",
    "MismatchError": "endotwin.client.errors",
    "Sample": "endotwin.samples.arrays",
    "ServiceError": "endotwin.client.errors",
}
"""Where the names are that take time to import: they are when they are used."""


def __getattr__(name: str) -> Any:
    """Import a name that is used for the first time."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    """List what there is, also what is not imported yet."""
    return sorted({*globals(), *__all__})


def load(checkpoint: str | Path, device: str = "auto") -> LoadedModel:
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
    from endotwin.loaded_model import LoadedModel  # noqa: PLC0415
    from endotwin.samples.labelling import PLAIN  # noqa: PLC0415
    from endotwin.settings import load_settings  # noqa: PLC0415

    settings = with_device(load_settings(), device)
    is_file = isinstance(checkpoint, Path) or checkpoint.endswith(CHECKPOINT_SUFFIX)
    model, path = (None, Path(checkpoint)) if is_file else (str(checkpoint), None)
    loaded = choose_checkpoint(settings, PLAIN, model, path)
    return LoadedModel(Sampler(loaded, str(resolve_device(settings.device))))
