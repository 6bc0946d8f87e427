"""Files and folders that appear whole or not at all, and never in the place of something precious."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from endotwin.samples.labelling import IMAGE_LABELS
from endotwin.whole_file import whole_file

_SAMPLE_FILE = re.compile(rf"\d+-\d{{8,}}\.((({'|'.join(IMAGE_LABELS)})\.)?png|json)")


class OutputError(Exception):
    """A destination that must not be written to; the message names it and says why."""


@contextmanager
def new_file(path: Path, *, replace: bool) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its place when the block ends well, and vanishes when it does not.

    Raises:
        OutputError: before the block runs, if `path` is no file, or is one and `replace` is not set.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        raise OutputError(f"{path} is a folder or a device; give the name of a file")
    if path.exists() and not replace:
        raise OutputError(f"{path} exists; --force replaces it")
    with whole_file(path) as file:
        yield file


@contextmanager
def new_folder(path: Path, *, replace: bool) -> Iterator[Path]:
    """Make a folder to fill; it takes its place when the block ends well, and vanishes when it does not.

    Args:
        path: where the folder is to be; may be an empty folder already.
        replace: also take the place of a folder that holds samples and nothing else.

    Raises:
        OutputError: before the block runs, if `path` must not be replaced.
    """
    path = path.resolve()
    _check_folder(path, replace)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _temporary(path, "tmp")
    old = _temporary(path, "old")
    try:
        temporary.mkdir()
        yield temporary
        if path.exists():
            path.rename(old)
        temporary.rename(path)
    finally:
        if old.exists() and not path.exists():
            old.rename(path)
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _check_folder(path: Path, replace: bool) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        raise OutputError(f"{path} is a file; give the name of a folder")
    if path == Path.cwd() or path in Path.cwd().parents or path.is_mount():
        raise OutputError(f"{path} is in use and cannot be replaced; give the name of a folder inside it")
    names = sorted(entry.name for entry in path.iterdir())
    foreign = [name for name in names if not _SAMPLE_FILE.fullmatch(name)]
    if foreign:
        raise OutputError(
            f"{path} holds something other than samples ({foreign[0]}) and is never replaced; "
            "give the name of another folder"
        )
    if names and not replace:
        raise OutputError(f"{path} holds samples already; --force replaces them")


def _temporary(path: Path, suffix: str) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.{suffix}")
