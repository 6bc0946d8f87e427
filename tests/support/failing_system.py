"""A system that fails, for tests: files that may not be read, a disk that is full."""

from __future__ import annotations

import os
import resource
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from pathlib import Path

NOBODY = 65534


@contextmanager
def folder_for_everyone() -> Iterator[Path]:
    """Make a folder that every user may read, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def as_ordinary_user() -> Iterator[None]:
    """Give up root's right to read everything, where the tests run as root."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """Make every write of this process beyond `size` bytes of a file fail, as on a full disk."""
    forkserver.ensure_running()  # started later, it would keep the limit for all other tests
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Python would keep the beginning of a compiled module, and could never import it again.
    writes_bytecode, sys.dont_write_bytecode = not sys.dont_write_bytecode, True
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        sys.dont_write_bytecode = not writes_bytecode
