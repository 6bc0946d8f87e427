"""What a service does for a job: make its set, or take back what it wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from endotwin.generator.card import Card
from endotwin.sets.plan import DOCUMENT_KEYS, MANIFEST_KEY, SPEC_KEY, plan_set
from endotwin.sets.run import Report, make_set
from endotwin.sets.source import Generator
from endotwin.sets.storage.destination import Destination
from endotwin.sets.verify import load_manifest
from service.device_queue import DeviceThread
from service.jobs.device_share import DeviceShare
from service.jobs.job import Job
from service.jobs.marking import MarkingDestination
from service.models import Model

_REQUESTS_AT_ONCE = 16


@dataclass(frozen=True)
class Studio:
    """A model on the device of this service, for sets."""

    card: Card
    generator: Generator


@contextmanager
def open_studio(model: Model, device: DeviceThread, device_name: str) -> Iterator[Studio]:
    """Yield a studio, with a thread that waits for the device."""
    with ThreadPoolExecutor(1, "batches of a job") as thread:
        yield Studio(model.card, Generator(DeviceShare(model, device), device_name, thread))


def earlier_set(job: Job, destination: Destination) -> int | None:
    """Return the number of images of the same set as it is finished at the destination; None if it is not.

    Raises:
        SetError: the manifest there is damaged.
        StorageError: storage fails.
    """
    if destination.stat(MANIFEST_KEY) is None:
        return None
    manifest = load_manifest(destination, job.destination)
    return manifest.spec.n if manifest.set_digest == job.spec.digest else None


def make(
    job: Job, studio: Studio, destination: Destination, report: Report, stop_if_asked: Callable[[], None]
) -> None:
    """Make what is missing of a job's set.

    Raises:
        SetError: see `endotwin.sets.run.make_set_by`.
        StorageError: storage failed for good.
    """
    make_set(
        job.spec,
        studio.card,
        MarkingDestination(destination, job.id),
        lambda: studio.generator,
        report=report,
        stop_if_asked=stop_if_asked,
    )


def take_back(job: Job, destination: Destination, stop_if_asked: Callable[[], None]) -> None:
    """Remove everything that a job wrote and nothing else; unfinished uploads, too.

    A manifest that is there describes the set with these shards, and goes with them.

    Raises:
        StorageError: storage fails.
    """
    shards = [shard.key for shard in plan_set(job.spec)]
    documents = [key for key in DOCUMENT_KEYS if key != SPEC_KEY]
    written = list(_written(job, destination, [*documents, *shards], stop_if_asked))
    if written or any(_written(job, destination, [MANIFEST_KEY], stop_if_asked)):
        destination.delete(MANIFEST_KEY)
    for key in [*written, *_written(job, destination, [SPEC_KEY], stop_if_asked)]:
        stop_if_asked()
        destination.delete(key)
    destination.discard_unfinished()


def finish_earlier(
    job: Job, studio: Studio, destination: Destination, report: Report, stop_if_asked: Callable[[], None]
) -> None:
    """Finish the set again that was there before a job that was to grow it, and has been taken back.

    Its last shard is made again if the job had replaced it by a fuller one.

    Raises:
        SetError: somebody else has changed it meanwhile.
        StorageError: storage fails.
    """
    spec = job.spec.model_copy(update={"n": job.earlier_n})
    make_set(
        spec,
        studio.card,
        destination,
        lambda: studio.generator,
        report=report,
        stop_if_asked=stop_if_asked,
    )


def _written(
    job: Job, destination: Destination, keys: list[str], stop_if_asked: Callable[[], None]
) -> Iterator[str]:
    with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as threads:
        for key, stored in zip(keys, threads.map(destination.stat, keys), strict=True):
            stop_if_asked()
            if stored is not None and stored.record is not None and stored.record.job == job.id:
                yield key
