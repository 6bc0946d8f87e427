"""Make shards in this process: one is published while the next is generated."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from itertools import islice

from endotwin.generator.batch import BatchMaker
from endotwin.generator.versions import installed_versions
from endotwin.sets.inspection import find_shard
from endotwin.sets.plan import Shard, group_by_range
from endotwin.sets.shard import write_shards
from endotwin.sets.spec import SetSpec
from endotwin.sets.storage.destination import ContentionError, Destination, Staged, StorageError
from endotwin.sets.storage.record import ShardRecord

SHARDS_AT_ONCE = 2
"""Shards that one `ShardMaker` works on: one is generated while the one before it is published."""

_ATTEMPTS = 3
"""How often a shard is published because another process takes its unfinished upload away."""


class ShardMaker:
    """Makes shards of one set.

    Attributes:
        spec: the set.
        destination: where it goes.
    """

    def __init__(
        self,
        spec: SetSpec,
        destination: Destination,
        load: Callable[[], BatchMaker],
        *,
        on_images: Callable[[int], None],
        stop_if_asked: Callable[[], None],
    ) -> None:
        """Name the set; the checkpoint is loaded when the first shard is made.

        Args:
            spec: the set.
            destination: where it goes.
            load: loads the checkpoint; called once.
            on_images: called with the number of images after every batch, from several threads.
            stop_if_asked: called for every batch, from several threads; what it raises ends the work.
        """
        self.spec = spec
        self.destination = destination
        self._load = load
        self._on_images = on_images
        self._stop_if_asked = stop_if_asked
        self._batches: BatchMaker | None = None
        self._generating = threading.Lock()
        self._failed = threading.Event()

    def make_all(self, shards: Iterable[Shard]) -> Iterator[tuple[Shard, ShardRecord | None]]:
        """Make shards, in their order but for neighbours.

        Yields:
            Every shard with its record, or with None; see `make`.

        Raises:
            SetError: something that is not of this set was put under a shard's key meanwhile.
            StorageError: storage failed for good.
        """
        waiting = group_by_range(shards)
        at_work: set[Future[dict[Shard, ShardRecord | None]]] = set()
        with ThreadPoolExecutor(SHARDS_AT_ONCE, "shards") as threads:
            try:
                while True:
                    for group in islice(waiting, SHARDS_AT_ONCE - len(at_work)):
                        at_work.add(threads.submit(self.make, group))
                    if not at_work:
                        return
                    for made in wait(at_work, return_when=FIRST_COMPLETED).done:
                        at_work.remove(made)
                        yield from made.result().items()
            except BaseException:
                self._failed.set()  # else the other thread would finish its shard first
                raise

    def make(self, shards: Sequence[Shard]) -> dict[Shard, ShardRecord | None]:
        """Make shards of one range and publish them; call from `SHARDS_AT_ONCE` threads.

        Returns:
            The record of what is there then, by shard; None for one that another process had made already.

        Raises:
            SetError: something that is not of this set was put under a shard's key meanwhile.
            StorageError: storage failed for good.
        """
        found: dict[Shard, ShardRecord | None] = dict.fromkeys(shards)
        with ExitStack() as unpublished:
            with self._generating:
                self._check()
                missing = [shard for shard in shards if self._find(shard) is None]
                if not missing:
                    return found
                if self._batches is None:
                    self._batches = self._load()
                staged = {
                    shard: unpublished.enter_context(self.destination.stage(shard.key)) for shard in missing
                }
                records = self._write(self._batches, staged)
            made = {shard: self._publish(shard, staged[shard], records[shard]) for shard in missing}
        return found | made

    def _find(self, shard: Shard) -> ShardRecord | None:
        """Return the record of a shard that is there with all its images."""
        there = find_shard(self.spec, shard, self.destination)
        return there if there is not None and there.samples == shard.samples else None

    def _check(self) -> None:
        self._stop_if_asked()
        if self._failed.is_set():
            raise CancelledError

    def _count(self, images: int) -> None:
        self._check()
        self._on_images(images)

    def _write(self, batches: BatchMaker, staged: Mapping[Shard, Staged]) -> dict[Shard, ShardRecord]:
        """Generate shards into staged objects."""
        files = {shard: one.file for shard, one in staged.items()}
        written = write_shards(batches, self.spec, files, self._count)
        return {
            shard: ShardRecord(
                set_digest=self.spec.digest,
                size=digests.size,
                sha256=digests.sha256,
                start=shard.start,
                samples=shard.samples,
                pixels_sha256=digests.pixels_sha256,
                device=batches.device,
                **installed_versions(),
            )
            for shard, digests in written.items()
        }

    def _publish(self, shard: Shard, staged: Staged, record: ShardRecord) -> ShardRecord:
        """Put a shard in place; return the record of what is there: another process may have been first."""
        for _ in range(_ATTEMPTS):
            there = find_shard(self.spec, shard, self.destination)
            if there is not None and there.samples == shard.samples:
                return there
            with suppress(ContentionError):
                staged.publish(record, replace=there is not None)
                return record
        raise StorageError(
            f"{shard.key}: whenever it is written, another process writes it or takes it away; "
            "see which that is, and run the same command again"
        )
