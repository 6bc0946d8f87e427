"""Read a finished set again, every byte and every pixel, and compare it with its manifest."""

from __future__ import annotations

import hashlib
import io
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from PIL import Image

from endotwin.samples.sample import sample_name
from endotwin.sets.inspection import unexpected_keys
from endotwin.sets.manifest import DocumentEntry, Manifest, ShardEntry
from endotwin.sets.plan import Shard, plan_set
from endotwin.sets.storage.destination import Destination, StorageError

UNREADABLE = (EOFError, OSError, SyntaxError, ValueError, tarfile.TarError, zipfile.BadZipFile)
"""What reading a damaged archive and its images raises."""

_SHARDS_AT_ONCE = 4


class WrongContentError(Exception):
    """A file that is not the one of the manifest; the message says why, without naming it."""


@dataclass(frozen=True)
class WrongFile:
    """A file of a set that is not what the manifest says."""

    key: str
    reason: str


def verify_set(
    manifest: Manifest,
    destination: Destination,
    *,
    on_images: Callable[[int], None],
    stop_if_asked: Callable[[], None],
) -> list[WrongFile]:
    """Read all files of a set.

    Args:
        manifest: of the set.
        destination: where it is.
        on_images: called with the number of images of every shard that was read, from several threads.
        stop_if_asked: called for every piece; what it raises ends the work.

    Returns:
        What is wrong, in the order of the manifest.

    Raises:
        StorageError: storage fails.
    """
    unexpected = unexpected_keys(manifest.spec, destination)
    wrong = [WrongFile(key, "it is not a shard of this set") for key in unexpected]

    shards = {shard.key: shard for shard in plan_set(manifest.spec)}

    def check(entry: ShardEntry | DocumentEntry) -> WrongFile | None:
        reason = _check(entry, shards.get(entry.key), destination, stop_if_asked)
        if isinstance(entry, ShardEntry):
            on_images(entry.samples)
        return None if reason is None else WrongFile(entry.key, reason)

    with ThreadPoolExecutor(_SHARDS_AT_ONCE) as threads:
        found = threads.map(check, [*manifest.shards, *manifest.documents])
        return wrong + [file for file in found if file is not None]


@contextmanager
def verified_copy(
    entry: ShardEntry | DocumentEntry, destination: Destination, stop_if_asked: Callable[[], None]
) -> Iterator[BinaryIO]:
    """Copy a file of a set to a temporary one, in TMPDIR, that is gone after the block.

    Args:
        entry: of the file, in the manifest.
        destination: where the set is.
        stop_if_asked: called for every piece; what it raises ends the work.

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
            _write_piece(file, piece)
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
        key: its key; its suffix says what kind of archive it is.
        is_wanted: returns by its name whether a file is read.

    Raises:
        one of UNREADABLE: it cannot be read.
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


def _check(
    entry: ShardEntry | DocumentEntry,
    shard: Shard | None,
    destination: Destination,
    stop_if_asked: Callable[[], None],
) -> str | None:
    """Return what is wrong with a file, which may be a shard, or None."""
    try:
        with verified_copy(entry, destination, stop_if_asked) as file:
            if shard is None or not isinstance(entry, ShardEntry):
                return None
            try:
                return _check_images(file, entry, shard, stop_if_asked)
            except UNREADABLE as error:
                return f"it cannot be read: {error}"
    except WrongContentError as error:
        return str(error)


def _check_images(
    file: BinaryIO, entry: ShardEntry, shard: Shard, stop_if_asked: Callable[[], None]
) -> str | None:
    pixels, count = hashlib.sha256(), 0
    names = (f"{sample_name(shard.images.seed, index)}.png" for index in shard.indices)
    for name, content in shard_files(file, entry.key, _is_image):
        stop_if_asked()
        expected = next(names, None)
        if name != expected:
            return f"its image {count} is {name} instead of {expected}"
        with Image.open(io.BytesIO(content)) as image:
            pixels.update(np.asarray(image).tobytes())
        count += 1
    if count != entry.samples:
        return f"it holds {count} images instead of {entry.samples}"
    if pixels.hexdigest() != entry.pixels_sha256:
        return f"the sha256 of its pixels is {pixels.hexdigest()} instead of {entry.pixels_sha256}"
    return None


def _is_image(name: str) -> bool:
    """Return whether a file is an image: all files of a sample begin with a key without a dot."""
    return name.partition(".")[2] == "png"


def _write_piece(file: BinaryIO, piece: bytes) -> None:
    try:
        file.write(piece)
    except OSError as error:
        raise StorageError(
            f"{tempfile.gettempdir()}: {error.strerror or error}; shards are read to there: make "
            "room, or set TMPDIR to a folder that has it"
        ) from error
