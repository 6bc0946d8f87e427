"""The set of a job: made, with the job's id in the record of every object; and removed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import BinaryIO, Self

from pydantic import ValidationError

from endotwin.generator.batch import BatchMaker
from endotwin.generator.card import Card
from endotwin.sets.make import SetProgress, make_set, shard_size_there
from endotwin.sets.manifest import load_manifest
from endotwin.sets.plan import DOCUMENT_KEYS, MANIFEST_KEY, SPEC_KEY, Shard, plan_set
from endotwin.sets.shard_maker import ShardMaker
from endotwin.sets.spec import SetSpec
from endotwin.sets.storage.destination import Destination, Staged, Stored
from endotwin.sets.storage.record import ObjectRecord, ShardRecord
from service.jobs.job import Job

_REQUESTS_AT_ONCE = 16


class TurnOverError(Exception):
    """It is the turn of another job."""


def with_shard_size_there(job: Job, destination: Destination) -> Job:
    """Return a job, its shards as large as those of the same set where it is there already and may be so.

    Raises:
        StorageError: storage fails.
    """
    size = shard_size_there(destination) if job.any_shard_size else None
    if size is None:
        return job
    try:
        spec = SetSpec.model_validate({**job.spec.model_dump(), "shard_size": size})
    except ValidationError:  # too many shards: making the set says that another one is there
        return job
    stored = destination.stat(SPEC_KEY)
    if stored is None or stored.record is None or stored.record.set_digest != spec.digest:
        return job
    return job.model_copy(update={"spec": spec})


def earlier_set(job: Job, destination: Destination) -> int | None:
    """Return the number of images of the same set as it is finished at the destination; None if it is not.

    Raises:
        SetError: the manifest there is damaged.
        StorageError: storage fails.
    """
    if destination.stat(MANIFEST_KEY) is None:
        return None
    manifest = load_manifest(destination, str(job.destination))
    return manifest.spec.n if manifest.set_digest == job.spec.digest else None


def make_job_set(
    job: Job,
    card: Card,
    maker: BatchMaker,
    destination: Destination,
    progress: SetProgress,
    stop_if_asked: Callable[[], None],
    turn_is_over: Callable[[], bool],
) -> None:
    """Make what is missing of a job's set.

    Raises:
        TurnOverError: `turn_is_over` said so after a shard or more; those that were begun are in place.
        SetError: see `endotwin.sets.make.make_set`.
        StorageError: storage failed for good.
    """
    marking = MarkingDestination(destination, job.id)
    shard_maker = ShardMaker(
        job.spec, marking, lambda: maker, on_images=progress.generated, stop_if_asked=stop_if_asked
    )
    over = False

    def while_it_is_its_turn(shards: Sequence[Shard]) -> Iterator[Shard]:
        nonlocal over
        for number, shard in enumerate(shards):
            if number and turn_is_over():
                over = True
                return
            yield shard

    def make_shards(shards: Sequence[Shard]) -> Iterator[tuple[Shard, ShardRecord | None]]:
        yield from shard_maker.make_all(while_it_is_its_turn(shards))
        if over:
            raise TurnOverError

    make_set(
        job.spec,
        card,
        marking,
        lambda: maker,
        make_shards=make_shards,
        progress=progress,
        stop_if_asked=stop_if_asked,
    )


def remove_written(job: Job, destination: Destination, stop_if_asked: Callable[[], None]) -> None:
    """Remove everything that a job wrote and nothing else; unfinished uploads, too.

    A manifest that is there describes the set with these shards, and goes with them.

    Raises:
        StorageError: storage fails.
    """
    shards = [shard.key for shard in plan_set(job.spec)]
    documents = [key for key in DOCUMENT_KEYS if key != SPEC_KEY]
    written = list(_find_written(job, destination, [*documents, *shards], stop_if_asked))
    if written or any(_find_written(job, destination, [MANIFEST_KEY], stop_if_asked)):
        destination.delete(MANIFEST_KEY)
    for key in [*written, *_find_written(job, destination, [SPEC_KEY], stop_if_asked)]:
        stop_if_asked()
        destination.delete(key)
    destination.discard_unfinished()


def finish_earlier(
    job: Job,
    card: Card,
    maker: BatchMaker,
    destination: Destination,
    progress: SetProgress,
    stop_if_asked: Callable[[], None],
) -> None:
    """Finish the set again that was there before a cancelled job that was to grow it.

    Its last shard is made again if the job had replaced it by a fuller one.

    Raises:
        SetError: another writer has changed it meanwhile.
        StorageError: storage fails.
    """
    spec = job.spec.model_copy(update={"n": job.earlier_n})
    make_set(
        spec,
        card,
        destination,
        lambda: maker,
        progress=progress,
        stop_if_asked=stop_if_asked,
    )


def _find_written(
    job: Job, destination: Destination, keys: list[str], stop_if_asked: Callable[[], None]
) -> Iterator[str]:
    """Yield those of the keys under which an object of the job is."""
    with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as threads:
        for key, stored in zip(keys, threads.map(destination.stat, keys), strict=True):
            stop_if_asked()
            if stored is not None and stored.record is not None and stored.record.job == job.id:
                yield key


class MarkingDestination:
    """A destination that writes the id of a job into the record of every object.

    By it the objects of a cancelled job are found, also after an answer that got lost, a service that was
    killed, or another writer at the same place.
    """

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

    def publish(self, record: ObjectRecord, *, replace: bool) -> None:
        """Put the object in place, with the job in its record."""
        self._inner.publish(record.model_copy(update={"job": self._job}), replace=replace)

    def __enter__(self) -> Self:
        self._inner.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inner.__exit__(kind, error, trace)
