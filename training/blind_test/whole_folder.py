"""Folders that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training.blind_test.errors import BlindTestError


def require_free(path: Path) -> None:
    """Check that a folder may be made: nothing is there, or an empty folder.

    Raises:
        BlindTestError: something is there.
    """
    if path.is_dir() and not path.is_symlink():
        if any(path.iterdir()):
            raise BlindTestError(f"{path}: the folder is not empty; nothing in it was changed")
    elif path.is_symlink() or path.exists():
        raise BlindTestError(f"{path}: a file or a link is in the way of the folder")


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Make a folder that takes its place when the block ends well, and vanishes when it does not.

    Raises:
        BlindTestError: something is in its place, at the start or at the end.
    """
    require_free(path)
    path = path.absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.mkdir()
    try:
        yield temporary
        require_free(path)
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
