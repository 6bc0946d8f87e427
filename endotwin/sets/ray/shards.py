"""Making shards on the workers of a Ray cluster. When one dies, others make its shards."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from endotwin.sets.plan import Shard
from endotwin.sets.ray.cluster import ClusterError
from endotwin.sets.ray.worker import SHARDS_AT_ONCE, News, Order, Worker, versions_here
from endotwin.sets.run import Report
from endotwin.sets.spec import SetSpec
from endotwin.sets.storage.destination import Destination
from endotwin.sets.storage.place import Place
from endotwin.sets.storage.record import ShardRecord
from endotwin.settings import Settings

_ATTEMPTS = 3
"""How many workers may die over one shard, or in a row before one is ready, until the run gives up."""

_TURN_SECONDS = 0.5
_PATIENCE_SECONDS = 30.0
"""After this time without a worker the person who waits is told, and this long workers may take to stop."""


@dataclass
class _Hand:
    """A worker as the driver sees it.

    Attributes:
        actor: Ray's handle.
        ready: whether it has loaded the checkpoint.
        shards: those that it has to make.
        reported: images that it generated, as far as the report was told, beyond its finished shards.
    """

    actor: Any
    ready: bool = False
    shards: list[Shard] = field(default_factory=list)
    reported: int = 0


class RayShards:
    """A run on a cluster. `make` is a `endotwin.sets.run.Maker`."""

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
        report: Report,
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
            report: is told about shards and images.
            note: is told what a person should know, such as that a worker has died.
            stop_if_asked: is called often; what it raises ends the work.

        Raises:
            ClusterError: no node has what a worker takes.
        """
        self._ray = ray
        self._destination = destination
        self._report = report
        self._note = note
        self._stop_if_asked = stop_if_asked
        self._cpus = cpus
        self._gpus = _choose_gpus(settings.device, ray)
        if not self._slots():
            wanted = f"{cpus} CPU{'s' if cpus > 1 else ''}" + (" and a GPU" if self._gpus else "")
            raise ClusterError(f"no node of the Ray cluster has {wanted} for a worker")
        device = "cuda" if self._gpus else "cpu"
        self._order = Order(spec, place, settings.model_copy(update={"device": device}), versions_here())
        self._checkpoint = ray.put(checkpoint)
        self._worker = ray.remote(
            num_cpus=cpus, num_gpus=self._gpus, max_restarts=0, max_concurrency=SHARDS_AT_ONCE + 2
        )(Worker)
        self._waiting: deque[Shard] = deque()
        self._hands: list[_Hand] = []
        self._calls: dict[Any, tuple[_Hand, Shard | str]] = {}
        self._deaths: Counter[Shard | None] = Counter()
        self._since = time.monotonic()
        self._made = 0

    def make(self, shards: Iterable[Shard]) -> int:
        """Make shards, each by the first worker that is free; see `endotwin.sets.run.Maker`.

        Raises:
            ClusterError: workers die again and again, or do not see the place of the set.
            SetError: something that is not of this set was put under a shard's key.
            StorageError: storage failed for good.
        """
        self._waiting.extend(shards)
        try:
            while self._waiting or any(hand.shards for hand in self._hands):
                self._stop_if_asked()
                self._hire()
                self._hand_out()
                self._listen()
            for hand in self._hands:
                self._settle(hand)
        finally:
            self._dismiss()
        return self._made

    def _slots(self) -> int:
        """Return how many workers the nodes that are there have room for."""
        count = 0
        for node in self._ray.nodes():
            if node["Alive"]:
                room = int(node["Resources"].get("CPU", 0) // self._cpus)
                count += min(room, int(node["Resources"].get("GPU", 0))) if self._gpus else room
        return count

    def _hire(self) -> None:
        """Ask for a worker for each slot and shard; Ray starts them as nodes have room."""
        unmade = len(self._waiting) + sum(len(hand.shards) for hand in self._hands)
        for _ in range(min(self._slots(), unmade) - len(self._hands)):
            hand = _Hand(self._worker.remote(self._order))
            self._hands.append(hand)
            self._call(hand, "start", hand.actor.start.remote(self._checkpoint))
            self._call(hand, "news", hand.actor.news.remote())
        if any(hand.ready for hand in self._hands):
            self._since = time.monotonic()
        elif time.monotonic() - self._since > _PATIENCE_SECONDS:
            self._note("no worker is ready yet: the cluster starts them when it has room")
            self._since = time.monotonic()

    def _hand_out(self) -> None:
        """Give every worker a shard, and one to make while that is sent unless others are idle."""
        for most in range(SHARDS_AT_ONCE):
            for hand in self._hands:
                idle = sum(not other.shards for other in self._hands)
                enough = len(self._waiting) > (idle if most else 0)
                if hand.ready and len(hand.shards) == most and enough:
                    shard = self._waiting.popleft()
                    hand.shards.append(shard)
                    self._call(hand, shard, hand.actor.make.remote(shard))

    def _listen(self) -> None:
        """Take what workers have answered within the next moments, shards before the news of a death."""
        if not self._calls:  # no node has room at present
            time.sleep(_TURN_SECONDS)
            return
        refs = list(self._calls)
        answered, _ = self._ray.wait(refs, num_returns=len(refs), timeout=_TURN_SECONDS)
        for ref in sorted(answered, key=lambda ref: not isinstance(self._calls[ref][1], Shard)):
            if ref not in self._calls:  # of a worker that turned out to be dead a moment ago
                continue
            hand, subject = self._calls.pop(ref)
            try:
                answer = self._ray.get(ref)
            except (self._ray.exceptions.RayActorError, self._ray.exceptions.OutOfMemoryError) as error:
                self._bury(hand, error)
                continue
            if isinstance(answer, Exception):
                raise answer
            if isinstance(subject, Shard):
                self._finish(hand, subject, answer)
            elif isinstance(answer, News):
                self._tell(hand, answer)
            else:
                hand.ready = True
                self._deaths[None] = 0

    def _finish(self, hand: _Hand, shard: Shard, record: ShardRecord | None) -> None:
        hand.shards.remove(shard)
        if record is None:
            self._report.found(shard)
            return
        stored = self._destination.stat(shard.key)
        if stored is None or stored.record != record:
            raise ClusterError(
                f"a worker has made {shard.key}, but that is not in {self._order.place} as seen from "
                "here: all nodes have to share that folder, or to reach the same S3 server"
            )
        hand.reported -= shard.images.count
        self._made += 1
        self._report.made(shard, record)

    def _tell(self, hand: _Hand, news: News) -> None:
        if news.images:
            self._report.generated(news.images)
            hand.reported += news.images
        for line in news.notes:
            self._note(line)
        self._call(hand, "news", hand.actor.news.remote())

    def _bury(self, hand: _Hand, error: Exception) -> None:
        """Take a dead worker's shards back.

        Raises:
            ClusterError: too many have died.
        """
        subjects: list[Shard | None] = [*hand.shards] or [None]
        self._note(f"a worker has died{'; others make its shards' if hand.shards else ''}")
        self._forget(hand)
        self._settle(hand)
        self._waiting.extendleft(reversed(hand.shards))
        self._deaths.update(subjects)
        worst = max(subjects, key=self._deaths.__getitem__)
        if self._deaths[worst] >= _ATTEMPTS:
            doing = "was not ready yet" if worst is None else f"made {worst.key}"
            raise ClusterError(
                f"{_ATTEMPTS} workers died, the last while it {doing}: {_last_line(error)}. Has every node "
                f"Endotwin {self._order.versions['endotwin']} and enough memory? Ray's logs say more"
            ) from error

    def _settle(self, hand: _Hand) -> None:
        """Make the report's count of images that of finished shards."""
        if hand.reported:
            self._report.generated(-hand.reported)
            hand.reported = 0

    def _call(self, hand: _Hand, subject: Shard | str, ref: Any) -> None:
        self._calls[ref] = hand, subject

    def _forget(self, hand: _Hand) -> None:
        self._calls = {ref: call for ref, call in self._calls.items() if call[0] is not hand}
        self._hands.remove(hand)
        self._ray.kill(hand.actor)

    def _dismiss(self) -> None:
        """End all workers; those that make something first take back what is half."""
        busy = [ref for ref, (_, subject) in self._calls.items() if isinstance(subject, Shard)]
        for hand in self._hands:
            hand.actor.stop.remote()
        if busy:
            self._ray.wait(busy, num_returns=len(busy), timeout=_PATIENCE_SECONDS)
        for hand in list(self._hands):
            self._forget(hand)


def _choose_gpus(device: str, ray: Any) -> int:
    """Return how many GPUs a worker takes, 0 or 1.

    Raises:
        ClusterError: the cluster has not what was asked for.
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


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1].strip()
