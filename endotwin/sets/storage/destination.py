"""The interface between a set and its storage: folder or bucket."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from endotwin.sets.storage.record import ObjectRecord


class StorageError(Exception):
    """Storage cannot be used, or not now; the message names the object and says what to do."""


class ContentionError(Exception):
    """Another process wrote the object first, or removed what was written of it: look again."""


@dataclass(frozen=True)
class Stored:
    """A stored object: its size in bytes, and its record if it has one."""

    size: int
    record: ObjectRecord | None


class Staged(Protocol):
    """An object that is being written. Leaving its block without `publish` leaves nothing behind."""

    file: BinaryIO

    def publish(self, record: ObjectRecord, *, replace: bool) -> None:
        """Put what was written to `file` in place, whole, with its record.

        Args:
            record: of the content.
            replace: whether an object that is there already is replaced.

        Raises:
            ContentionError: there is one and `replace` is false, or this one was removed.
            StorageError: it cannot be written.
        """
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Destination(Protocol):
    """A place for one set. Keys are relative to it, with slashes. All methods raise `StorageError`.

    Usable from several threads at once.
    """

    def list_keys(self, folder: str) -> Iterator[str]:
        """Yield the keys of all objects below a folder, `train/` for example; "" for all."""
        ...

    def stat(self, key: str) -> Stored | None:
        """Return size and record of an object; None if it is missing."""
        ...

    def read(self, key: str) -> Iterator[bytes]:
        """Yield the content of an object piece by piece."""
        ...

    def stage(self, key: str) -> Staged:
        """Begin a new object."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object; it is no error if it is missing."""
        ...

    def discard_unfinished(self) -> None:
        """Remove what killed writers left behind."""
        ...
