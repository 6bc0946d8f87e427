"""Where checkpoints are; without torch, which takes long to import."""

from __future__ import annotations

from pathlib import Path

from endotwin.settings import SettingsError, variable

CHECKPOINT_SUFFIX = ".safetensors"


def checkpoint_paths(folder: Path) -> list[Path]:
    """Return the checkpoint files of a folder, sorted.

    Raises:
        SettingsError: the folder is missing or holds none.
    """
    if not folder.is_dir():
        raise SettingsError(
            f"{variable('checkpoint_dir')}: there is no folder {folder} to load checkpoints from"
        )
    paths = sorted(path for path in folder.glob(f"*{CHECKPOINT_SUFFIX}") if not path.name.startswith("."))
    if not paths:
        raise SettingsError(
            f"{variable('checkpoint_dir')}: no *{CHECKPOINT_SUFFIX} in {folder}; train one, or name "
            "another folder"
        )
    return paths
