"""Reading a file of a finished set back, whole and checked against the manifest before it is used."""

from __future__ import annotations

import hashlib
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from endotwin.sets.manifest import DocumentEntry, ShardEntry
from endotwin.sets.storage.destination import Destination, StorageError

DAMAGED = (EOFError, OSError, SyntaxError, ValueError, tarfile.TarError, zipfile.BadZipFile)
"""What reading an archive and its images raises if they are not what they should be."""


class WrongContentError(Exception):
    """A file that is not the one of the manifest; the message says why, without naming it."""


@contextmanager
def fetched(
    entry: ShardEntry | DocumentEntry, destination: Destination, stop_if_asked: Callable[[], None]
) -> Iterator[BinaryIO]:
    """Copy a file of a set to a temporary one, in TMPDIR, that is gone after the block.

    Args:
        entry: of the file, in the manifest.
        destination: where the set is.
        stop_if_asked: is called for every piece; what it raises ends the work.

    Yields:
        The copy, at its beginning. Its size and sha256 are those of the entry.

    Raises:
        WrongContentError: they are not, or there is no such file.
        StorageError: storage fails, or there is no room for the copy.
    """
    if destination.stat(entry.key) is None:
        raise WrongContentError("it is missing")
    with tempfile.TemporaryFile() as file:
        digest = hashlib.sha256()
        for piece in destination.read(entry.key):
            stop_if_asked()
            digest.update(piece)
            _write(file, piece)
        if file.tell() != entry.bytes:
            raise WrongContentError(f"it has {file.tell()} bytes instead of {entry.bytes}")
        if digest.hexdigest() != entry.sha256:
            raise WrongContentError(f"its sha256 is {digest.hexdigest()} instead of {entry.sha256}")
        file.seek(0)
        yield file


def shard_files(
    file: BinaryIO, key: str, is_wanted: Callable[[str], bool] = lambda _: True
) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the files in a shard, in their order.

    Args:
        file: the shard.
        key: its key; the suffix tells what kind of archive it is.
        is_wanted: tells by its name whether a file is read.

    Raises:
        one of DAMAGED: it cannot be read.
    """
    if key.endswith(".zip"):
        with zipfile.ZipFile(file) as archive:
            for name in filter(is_wanted, archive.namelist()):
                yield name, archive.read(name)
        return
    with tarfile.open(fileobj=file, mode="r|") as tar:
        for member in tar:
            content = tar.extractfile(member) if is_wanted(member.name) else None
            if content is not None:
                yield member.name, content.read()


def _write(file: BinaryIO, piece: bytes) -> None:
    try:
        file.write(piece)
    except OSError as error:
        raise StorageError(
            f"{tempfile.gettempdir()}: {error.strerror or error}; shards are read to there: make "
            "room, or set TMPDIR to a folder that has it"
        ) from error
