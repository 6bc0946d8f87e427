"""The versions that bytes depend on, beside the checkpoint and the device."""

from __future__ import annotations

from importlib.metadata import version

import torch


def installed_versions() -> dict[str, str]:
    """Return the versions that are installed here, by package.

    torch and numpy may decide a grey level, numpy and Numba a label, Pillow how an image is compressed.
    """
    return {"torch": torch.__version__, **{name: version(name) for name in ("numpy", "numba", "pillow")}}
