"""A set in a folder of this machine.

Files are written under another name and renamed. What S3 keeps as metadata is a small file here, in the
hidden folder `.endotwin`; a set is read without it, but an interrupted one continues and a finished one
grows only with it.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from endotwin.sets.storage.destination import ContentionError, StorageError, Stored
from endotwin.sets.storage.record import ObjectRecord, read_record

HIDDEN = ".endotwin"
_CHUNK = 1 << 20
_FULL = {errno.ENOSPC, errno.EDQUOT}


class FolderDestination:
    """A folder; a `endotwin.sets.storage.destination.Destination`."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; it is created when something is written to it."""
        self._folder = folder
        self._records = folder / HIDDEN / "records"
        self.unfinished = folder / HIDDEN / "unfinished"

    def path(self, key: str) -> Path:
        """Return the file of an object."""
        return self._folder / key

    def list_keys(self, folder: str) -> Iterator[str]:
        """Yield the keys of all files below a folder, but those of `.endotwin`."""
        with _storage_errors(self._folder / folder):
            for path in sorted((self._folder / folder).rglob("*")):
                key = path.relative_to(self._folder).as_posix()
                if not path.is_dir() and not key.startswith(f"{HIDDEN}/"):
                    yield key

    def stat(self, key: str) -> Stored | None:
        """Return size and record of a file; None if it is missing."""
        path = self.path(key)
        with _storage_errors(path):
            try:
                size = path.lstat().st_size
            except FileNotFoundError:
                return None
            return Stored(size, self._read_record(key) if path.is_file() else None)

    def read(self, key: str) -> Iterator[bytes]:
        """Yield the content of a file."""
        with _storage_errors(self.path(key)), self.path(key).open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk

    def stage(self, key: str) -> StagedFile:
        """Begin a file, on the same disk."""
        return StagedFile(self, key)

    def delete(self, key: str) -> None:
        """Remove a file and its record."""
        with _storage_errors(self.path(key)):
            self.path(key).unlink(missing_ok=True)
            self._record_path(key).unlink(missing_ok=True)

    def discard_unfinished(self) -> None:
        """Remove files whose writer is dead: a living one holds a lock on its file."""
        if not self.unfinished.is_dir():
            return
        with _storage_errors(self.unfinished), self.lock():
            for path in self.unfinished.iterdir():
                with path.open("rb") as file:
                    if _try_lock(file):
                        path.unlink()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the folder: other processes cannot rename files in it."""
        self.unfinished.mkdir(parents=True, exist_ok=True)
        with (self._folder / HIDDEN / "lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def place(self, temporary: Path, key: str, record: ObjectRecord, *, replace: bool) -> None:
        """Rename a file and write its record, under the lock.

        Raises:
            ContentionError: there is a file of that name and `replace` is false.
        """
        path = self.path(key)
        with self.lock():
            if path.exists() and not replace:
                raise ContentionError(f"{path} is there already")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)  # so that a file is never beside the record of another
            record_path = self._record_path(key)
            record_path.parent.mkdir(parents=True, exist_ok=True)
            unfinished = temporary.with_suffix(".record")
            unfinished.write_text(json.dumps(record.to_metadata(), sort_keys=True))
            unfinished.replace(record_path)
            temporary.replace(path)

    def _record_path(self, key: str) -> Path:
        return self._records / f"{key}.json"

    def _read_record(self, key: str) -> ObjectRecord | None:
        try:
            metadata = json.loads(self._record_path(key).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return read_record(metadata) if isinstance(metadata, dict) else None


class StagedFile:
    """A file that is being written; a `endotwin.sets.storage.destination.Staged`."""

    def __init__(self, destination: FolderDestination, key: str) -> None:
        """Open a file that is locked as long as this process lives, so that no other one discards it."""
        self._destination = destination
        self._key = key
        with _storage_errors(destination.path(key)), destination.lock():
            self.file: BinaryIO = cast(
                BinaryIO,
                tempfile.NamedTemporaryFile(  # noqa: SIM115
                    dir=destination.unfinished, prefix=f"{Path(key).name}.", delete=False
                ),
            )
            fcntl.flock(self.file, fcntl.LOCK_EX)
        self._path = Path(self.file.name)

    def publish(self, record: ObjectRecord, *, replace: bool) -> None:
        """Put the file in place; see `endotwin.sets.storage.destination.Staged.publish`."""
        with _storage_errors(self._destination.path(self._key)):
            self.file.flush()
            os.fsync(self.file.fileno())
            self._path.chmod(0o644)
            self._destination.place(self._path, self._key, record, replace=replace)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove what was not published. A failure to write becomes a StorageError."""
        with _storage_errors(self._destination.path(self._key)):
            self._path.unlink(missing_ok=True)
            self.file.close()
            if isinstance(error, OSError):
                raise error


@contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    """Turn an error of the file system into a StorageError that says what to do."""
    try:
        yield
    except OSError as error:
        advice = "make room on that disk" if error.errno in _FULL else "correct that"
        raise StorageError(
            f"{error.filename or path}: {error.strerror or error}; {advice} and run the same command again"
        ) from error


def _try_lock(file: BinaryIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
