"""A destination that writes into every object's record which job wrote it.

When the job is cancelled, this tells its objects from all others, whatever happened on the way: an answer
that got lost, a service that was killed, somebody else at the same place.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import BinaryIO, Self

from endotwin.sets.storage.destination import Destination, Staged, Stored
from endotwin.sets.storage.record import Record


class MarkingDestination:
    """See `endotwin.sets.storage.destination.Destination`."""

    def __init__(self, inner: Destination, job: str) -> None:
        """Wrap a destination.

        Args:
            inner: where everything goes.
            job: id of the job that writes.
        """
        self._inner = inner
        self._job = job

    def list_keys(self, folder: str) -> Iterator[str]:
        """Yield the keys below a folder."""
        return self._inner.list_keys(folder)

    def stat(self, key: str) -> Stored | None:
        """Look at an object."""
        return self._inner.stat(key)

    def read(self, key: str) -> Iterator[bytes]:
        """Yield the content of an object."""
        return self._inner.read(key)

    def stage(self, key: str) -> MarkingStaged:
        """Begin a new object."""
        return MarkingStaged(self._inner.stage(key), self._job)

    def delete(self, key: str) -> None:
        """Remove an object."""
        self._inner.delete(key)

    def discard_unfinished(self) -> None:
        """Remove what killed writers left behind."""
        self._inner.discard_unfinished()


class MarkingStaged:
    """An object in the making; see `endotwin.sets.storage.destination.Staged`."""

    def __init__(self, inner: Staged, job: str) -> None:
        self._inner = inner
        self._job = job
        self.file: BinaryIO = inner.file

    def publish(self, record: Record, *, replace: bool) -> None:
        """Put the object in place, with the job in its record."""
        self._inner.publish(record.model_copy(update={"job": self._job}), replace=replace)

    def __enter__(self) -> Self:
        self._inner.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inner.__exit__(kind, error, trace)
