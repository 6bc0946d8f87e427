"""Files and folders that appear whole or not at all, and never in the place of something precious."""

from __future__ import annotations

import errno
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class OutputError(Exception):
    """A destination must not be written to; the message names it and the reason."""


class DiskFullError(OSError):
    """There is no space for a file; the message names it and the free space."""

    def __str__(self) -> str:
        """Return the message alone, without the number of the error."""
        return str(self.strerror)


@contextmanager
def naming_full_disk(path: Path, unfinished: Path | None = None) -> Iterator[None]:
    """Name `path` in the error of a full disk, which by itself names no file.

    Args:
        path: the file or folder that is written.
        unfinished: where it is until it is complete.

    Raises:
        DiskFullError: instead of the OSError of a full disk, a quota or a limit.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_SPACE or isinstance(error, DiskFullError):
            raise
        written = _size(unfinished or path)
        free = shutil.disk_usage(path.parent).free + (written if unfinished is not None else 0)
        raise DiskFullError(
            error.errno,
            f"{path}: {error.strerror}: {free / 1e6:.1f} MB are free there, "
            f"and it needs more than {written / 1e6:.1f} MB",
        ) from error


@contextmanager
def whole_file(path: Path, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its place when the block ends well, and vanishes when it does not.

    A file that was there is replaced; missing folders are made. Any number of processes, on any number of
    machines, may write to one path: one of them wins, with a whole file.

    Args:
        path: of the file.
        mode: of the file, less the bits of the umask.

    Raises:
        DiskFullError: there is no space for it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = _unfinished(path)
    try:
        with naming_full_disk(path, unfinished):
            unfinished.touch(mode, exist_ok=False)
            with unfinished.open("r+b") as file:
                yield file
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def new_file(path: Path, *, replace: bool) -> Iterator[BinaryIO]:
    """Open a `whole_file` in a place that is free, or that may be replaced.

    Raises:
        OutputError: before the block runs, if `path` is no file, or is one and `replace` is not set.
        DiskFullError: there is no space for it.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():
        raise OutputError(f"{path} is a folder or a device; give the name of a file")
    if path.exists() and not replace:
        raise OutputError(f"{path} exists; --force replaces it")
    with whole_file(path) as file:
        yield file


def require_free(path: Path) -> None:
    """Check that a folder can be made: nothing is there, or an empty folder that nobody works in.

    Raises:
        OutputError: something is there.
    """
    require_folder(path)
    if path.exists() and any(path.iterdir()):
        raise OutputError(f"{path}: the folder is not empty and is never replaced; name another folder")


def require_folder(path: Path) -> None:
    """Check that nothing is at `path`, or a folder that could be moved.

    Raises:
        OutputError: a file is there, a mounted disk, or a folder that this process works in.
    """
    if not path.exists():
        return
    if not path.is_dir():
        raise OutputError(f"{path} is a file; give the name of a folder")
    if path.resolve() in (Path.cwd(), *Path.cwd().parents) or path.is_mount():
        raise OutputError(f"{path} is in use and cannot be replaced; give the name of a folder inside it")


@contextmanager
def new_folder(path: Path, require: Callable[[Path], None] = require_free) -> Iterator[Path]:
    """Make a folder to fill; it takes its place when the block ends well, and vanishes when it does not.

    Args:
        path: where the folder is to be; may be an empty folder already.
        require: raises `OutputError` if what is at `path` must stay; called before and after the block.

    Raises:
        OutputError: what is at `path` must stay.
        DiskFullError: there is no space for what the block writes.
    """
    path = path.resolve()
    require(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished, old = _unfinished(path), _unfinished(path)
    try:
        unfinished.mkdir()
        with naming_full_disk(path, unfinished):
            yield unfinished
        require(path)
        if path.exists():
            path.rename(old)
        unfinished.rename(path)
    finally:
        if old.exists() and not path.exists():
            old.rename(path)
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def remove_unfinished(folder: Path) -> None:
    """Remove what killed processes left in a folder and below it; no other process may be writing there."""
    for path in folder.rglob(".*.tmp"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _unfinished(path: Path) -> Path:
    # By chance, not by process: two containers on one volume can have the same process numbers.
    return path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
