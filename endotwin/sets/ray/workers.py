"""The driver of a Ray cluster: it hands out shards to workers and collects their records."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from endotwin.sets.make import SetProgress
from endotwin.sets.plan import Shard, group_by_range
from endotwin.sets.ray.cluster import ClusterError
from endotwin.sets.ray.worker import Worker, WorkerConfig, WorkerReport, versions_here
from endotwin.sets.shard_maker import SHARDS_AT_ONCE
from endotwin.sets.spec import SetSpec
from endotwin.sets.storage.destination import Destination
from endotwin.sets.storage.place import Place
from endotwin.sets.storage.record import ShardRecord
from endotwin.settings import Settings

_ATTEMPTS = 3
"""How many workers may die over one shard until the run ends."""

_POLL_SECONDS = 0.5
_PATIENCE_SECONDS = 30.0
"""How long to wait for the first worker before a note says so, and for workers to stop."""


@dataclass(eq=False)
class _Actor:
    """A worker as the driver sees it.

    Attributes:
        handle: Ray's handle.
        process: in which it runs, as it reported last; "" before it has started.
        shards: those that it has to make, together if they are of one range.
        images: generated for them, as it reported last.
    """

    handle: Any
    process: str = ""
    shards: list[list[Shard]] = field(default_factory=list)
    images: int = 0


class RayWorkers:
    """Makes shards on a cluster. When a worker dies, Ray restarts it and retries what it was making."""

    def __init__(
        self,
        ray: Any,
        spec: SetSpec,
        checkpoint: bytes,
        place: Place,
        settings: Settings,
        destination: Destination,
        *,
        cpus: int,
        progress: SetProgress,
        note: Callable[[str], None],
        stop_if_asked: Callable[[], None],
    ) -> None:
        """Choose what a worker runs on: a GPU if the cluster has some and the settings do not say cpu.

        Args:
            ray: the module, connected.
            spec: the set.
            checkpoint: content of the checkpoint's file.
            place: where the set goes.
            settings: of the driver; the workers get them, but for the device.
            destination: at `place`, to look whether shards have arrived.
            cpus: CPUs that a worker takes.
            progress: gets the number of images that were generated.
            note: called with a line of text about what a person should know, such as that a worker died.
            stop_if_asked: called often; what it raises ends the work.

        Raises:
            ClusterError: no node has what a worker takes.
        """
        self._ray = ray
        self._destination = destination
        self._progress = progress
        self._note = note
        self._stop_if_asked = stop_if_asked
        self._cpus = cpus
        self._gpus = _choose_gpus(settings.device, ray)
        if not self._slots():
            wanted = f"{cpus} CPU{'s' if cpus > 1 else ''}" + (" and a GPU" if self._gpus else "")
            raise ClusterError(f"no node of the Ray cluster has {wanted} for a worker")
        device = "cuda" if self._gpus else "cpu"
        settings = settings.model_copy(update={"device": device})
        self._config = WorkerConfig(spec, place, settings, versions_here())
        self._checkpoint = ray.put(checkpoint)
        self._worker = ray.remote(
            num_cpus=cpus,
            num_gpus=self._gpus,
            max_concurrency=SHARDS_AT_ONCE + 2,  # for `report` and `stop`
            max_restarts=-1,
            max_task_retries=_ATTEMPTS - 1,
        )(Worker)
        self._waiting: deque[list[Shard]] = deque()
        self._actors: list[_Actor] = []
        self._calls: dict[Any, tuple[_Actor, list[Shard] | None]] = {}
        self._since = time.monotonic()
        self._finished_images = self._counted_images = 0

    def make_all(self, shards: Iterable[Shard]) -> Iterator[tuple[Shard, ShardRecord | None]]:
        """Make shards, each by the first worker that is free.

        Yields:
            Every shard with its record, or with None if another process had made it already.

        Raises:
            ClusterError: workers die again and again, cannot start, or do not see the place of the set.
            SetError: something that is not of this set was put under a shard's key.
            StorageError: storage failed for good.
        """
        self._waiting.extend(group_by_range(shards))
        try:
            while self._waiting or any(actor.shards for actor in self._actors):
                self._stop_if_asked()
                self._start_workers()
                self._hand_out()
                yield from self._collect()
                if not self._waiting:
                    self._release_idle()
        finally:
            self._dismiss()

    def _slots(self) -> int:
        """Return how many workers the nodes that are there have room for."""
        count = 0
        for node in self._ray.nodes():
            if node["Alive"]:
                room = int(node["Resources"].get("CPU", 0) // self._cpus)
                count += min(room, int(node["Resources"].get("GPU", 0))) if self._gpus else room
        return count

    def _start_workers(self) -> None:
        """Request a worker for each slot, as far as shards wait; Ray starts them as nodes have room."""
        for _ in range(min(self._slots() - len(self._actors), len(self._waiting))):
            actor = _Actor(self._worker.remote(self._config))
            self._actors.append(actor)
            self._calls[actor.handle.report.remote()] = actor, None
        if any(actor.process for actor in self._actors):
            self._since = time.monotonic()
        elif time.monotonic() - self._since > _PATIENCE_SECONDS:
            self._note("no worker is ready yet: the cluster starts them when it has room")
            self._since = time.monotonic()

    def _hand_out(self) -> None:
        """Give every worker a shard, and one to make while that is published unless others are idle."""
        for most in range(SHARDS_AT_ONCE):
            for actor in self._actors:
                idle = sum(not other.shards for other in self._actors) if most else 0
                if actor.process and len(actor.shards) == most and len(self._waiting) > idle:
                    shards = self._waiting.popleft()
                    actor.shards.append(shards)
                    self._calls[actor.handle.make.remote(shards, self._checkpoint)] = actor, shards

    def _collect(self) -> Iterator[tuple[Shard, ShardRecord | None]]:
        """Yield the shards that workers finish within the next moments, and take their reports."""
        if not self._calls:  # no node has room at present
            time.sleep(_POLL_SECONDS)
            return
        refs = list(self._calls)
        answered, _ = self._ray.wait(refs, num_returns=len(refs), timeout=_POLL_SECONDS)
        for ref in answered:
            actor, shards = self._calls.pop(ref)
            answer = self._answer(ref, actor)
            if shards is None:
                self._take_report(actor, answer)
                continue
            actor.shards.remove(shards)
            for shard, record in answer.items():
                if record is not None:
                    self._check_visible(shard, record)
                    self._finished_images += shard.samples
                    actor.images = max(0, actor.images - shard.samples)
                yield shard, record
        self._count_images()

    def _answer(self, ref: Any, actor: _Actor) -> Any:
        """Return what a worker answered.

        Raises:
            ClusterError: workers died again and again over this call, or a worker cannot start.
            SetError, StorageError: the worker failed.
        """
        errors = self._ray.exceptions
        try:
            answer = self._ray.get(ref)
        except (errors.RayActorError, errors.OutOfMemoryError) as error:
            keys = ", ".join(shard.key for shards in actor.shards for shard in shards)
            problem = f"{_ATTEMPTS} workers died, the last while it made {keys}"
            if not keys:
                problem = "a worker died that was not ready yet"
            raise ClusterError(
                f"{problem}: {str(error).strip().splitlines()[-1].strip()}. Has every node "
                f"Endotwin {self._config.versions['endotwin']} and enough memory? Ray's logs say more"
            ) from error
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _take_report(self, actor: _Actor, report: WorkerReport) -> None:
        if actor.process not in ("", report.process):
            self._note("a worker has died; another makes its shards")
        actor.process, actor.images = report.process, report.images
        for line in report.notes:
            self._note(line)
        self._calls[actor.handle.report.remote()] = actor, None

    def _check_visible(self, shard: Shard, record: ShardRecord) -> None:
        stored = self._destination.stat(shard.key)
        if stored is None or stored.record != record:
            raise ClusterError(
                f"a worker has made {shard.key}, but that is not in {self._config.place} as seen from "
                "here: all nodes have to share that folder, or to reach the same S3 server"
            )

    def _count_images(self) -> None:
        """Add to the progress what was generated since the last call; less if a worker died."""
        images = self._finished_images + sum(actor.images for actor in self._actors)
        self._progress.generated(images - self._counted_images)
        self._counted_images = images

    def _release_idle(self) -> None:
        """End workers without shards: one that Ray restarts may need their room."""
        for actor in [actor for actor in self._actors if not actor.shards]:
            self._end(actor)
        self._count_images()

    def _end(self, actor: _Actor) -> None:
        self._calls = {ref: call for ref, call in self._calls.items() if call[0] is not actor}
        self._actors.remove(actor)
        self._ray.kill(actor.handle)

    def _dismiss(self) -> None:
        """End all workers; those that make something first remove what is unfinished."""
        busy = [ref for ref, (_, shards) in self._calls.items() if shards is not None]
        for actor in self._actors:
            actor.handle.stop.remote()
        if busy:
            self._ray.wait(busy, num_returns=len(busy), timeout=_PATIENCE_SECONDS)
        for actor in list(self._actors):
            self._end(actor)


def _choose_gpus(device: str, ray: Any) -> int:
    """Return how many GPUs a worker takes, 0 or 1.

    Raises:
        ClusterError: the cluster does not have the device of the settings.
    """
    if device == "cpu":
        return 0
    if ":" in device:
        raise ClusterError(
            f"on Ray the device is auto, cpu or cuda, and Ray chooses which GPU; got {device}"
        )
    there = ray.cluster_resources().get("GPU", 0) >= 1
    if device == "cuda" and not there:
        raise ClusterError("the device is to be cuda, but the Ray cluster has no GPU")
    return int(there)
