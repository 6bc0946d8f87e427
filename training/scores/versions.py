"""The versions that a number depends on."""

from __future__ import annotations

import platform
from importlib.metadata import version

from training.learning.recording import git_revision

_PACKAGES = (
    "endotwin",
    "torch",
    "pytorch-fid",
    "numpy",
    "scipy",
    "scikit-image",
    "pillow",
)


def versions() -> dict[str, str]:
    """Return Python's, the packages' and the code's own version."""
    return {
        "python": platform.python_version(),
        **{package: version(package) for package in _PACKAGES},
        "git": git_revision(),
    }
