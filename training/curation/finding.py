"""Every file below a folder, whatever it is called, and the folders that could not be searched."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Skipped:
    """A folder that was not searched, and why."""

    path: Path
    reason: str


def find_files(root: Path) -> tuple[list[Path], list[Skipped]]:
    """Return all files below a folder, sorted, and the folders that were not searched.

    Links to folders are followed, but no folder is searched twice, so that a loop of links comes to an end.
    """
    files: list[Path] = []
    skipped: list[Skipped] = []
    seen: set[tuple[int, int]] = set()

    def note(error: OSError) -> None:
        skipped.append(Skipped(Path(error.filename), f"folder: {error.strerror}"))

    for parent, folders, names in os.walk(root, onerror=note, followlinks=True):
        identity = _identity(Path(parent))
        if identity in seen:
            folders.clear()
            skipped.append(Skipped(Path(parent), "folder: a link to one that is searched already"))
            continue
        seen.add(identity)
        # Real folders before links to them: what is skipped is the link.
        folders.sort(key=lambda name: (Path(parent, name).is_symlink(), name))
        files += [Path(parent, name) for name in names]
    return sorted(files), sorted(skipped, key=lambda item: item.path)


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
