"""Make shards in this process: one is published while the next is generated."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from itertools import islice

from endotwin.generator.batch import BatchMaker
from endotwin.generator.versions import installed_versions
from endotwin.sets.inspection import find_shard
from endotwin.sets.plan import Shard
from endotwin.sets.shard import write_shard
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
            Every shard with what `make` returns.

        Raises:
            SetError: something that is not of this set was put under a shard's key meanwhile.
            StorageError: storage failed for good.
        """
        waiting = iter(shards)
        at_work: dict[Future[ShardRecord | None], Shard] = {}
        with ThreadPoolExecutor(SHARDS_AT_ONCE, "shards") as threads:
            try:
                while True:
                    for shard in islice(waiting, SHARDS_AT_ONCE - len(at_work)):
                        at_work[threads.submit(self.make, shard)] = shard
                    if not at_work:
                        return
                    for made in wait(at_work, return_when=FIRST_COMPLETED).done:
                        yield at_work.pop(made), made.result()
            except BaseException:
                self._failed.set()  # else the other thread would finish its shard first
                raise

    def make(self, shard: Shard) -> ShardRecord | None:
        """Make a shard and publish it; call from `SHARDS_AT_ONCE` threads.

        Returns:
            The record of what is there then; None if another process had made it already.

        Raises:
            SetError: something that is not of this set was put under the shard's key meanwhile.
            StorageError: storage failed for good.
        """
        with ExitStack() as discard:
            with self._generating:
                self._check()
                there = find_shard(self.spec, shard, self.destination)
                if there is not None and there.samples == shard.images.count:
                    return None
                if self._batches is None:
                    self._batches = self._load()
                staged = discard.enter_context(self.destination.stage(shard.key))
                record = self._write(shard, self._batches, staged)
            discard.pop_all()
        return self._publish(shard, staged, record)

    def _check(self) -> None:
        self._stop_if_asked()
        if self._failed.is_set():
            raise CancelledError

    def _count(self, images: int) -> None:
        self._check()
        self._on_images(images)

    def _write(self, shard: Shard, batches: BatchMaker, staged: Staged) -> ShardRecord:
        """Generate a shard into a staged object."""
        digests = write_shard(batches, self.spec, shard, staged.file, self._count)
        return ShardRecord(
            set_digest=self.spec.digest,
            size=digests.size,
            sha256=digests.sha256,
            start=shard.images.start,
            samples=shard.images.count,
            pixels_sha256=digests.pixels_sha256,
            device=batches.device,
            **installed_versions(),
        )

    def _publish(self, shard: Shard, staged: Staged, record: ShardRecord) -> ShardRecord:
        """Put a shard in place; return the record of what is there: another process may have been first."""
        with staged:
            for _ in range(_ATTEMPTS):
                there = find_shard(self.spec, shard, self.destination)
                if there is not None and there.samples == shard.images.count:
                    return there
                with suppress(ContentionError):
                    staged.publish(record, replace=there is not None)
                    return record
        raise StorageError(
            f"{shard.key}: whenever it is written, another process writes it or takes it away; "
            "see which that is, and run the same command again"
        )
