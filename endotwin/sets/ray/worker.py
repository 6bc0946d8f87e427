"""One of the workers that make a set on a Ray cluster: what runs in its process. It does not import Ray."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from endotwin.generator.checkpoint import SUFFIX, Checkpoint, CheckpointError, load_checkpoint
from endotwin.generator.device import resolve_device
from endotwin.generator.sampler import sampler_in
from endotwin.generator.versions import installed_versions
from endotwin.sets.manifest import SetError
from endotwin.sets.plan import SPEC_KEY, Shard
from endotwin.sets.run import look_at, publish_staged, write_staged
from endotwin.sets.spec import SetSpec
from endotwin.sets.storage.destination import StorageError
from endotwin.sets.storage.open_destination import open_destination
from endotwin.sets.storage.place import Place
from endotwin.sets.storage.record import ShardRecord
from endotwin.settings import Settings, SettingsError

SHARDS_AT_ONCE = 2
"""One is generated while the one before it is sent."""

Failure = SetError | StorageError
"""What stops a run. Workers return it: raised, it would come with the traceback of another process."""


@dataclass(frozen=True)
class Order:
    """What a worker has to know beside the checkpoint's bytes.

    Attributes:
        spec: the set.
        place: where it goes. Credentials, endpoint and region come from the environment of each node.
        settings: the driver's, with the device that the worker is to use.
        versions: as `versions_here` gives them on the driver's machine.
    """

    spec: SetSpec
    place: Place
    settings: Settings
    versions: Mapping[str, str]


@dataclass(frozen=True)
class News:
    """What happened since it was last asked for: images generated, and lines for the person who waits."""

    images: int
    notes: tuple[str, ...]


def versions_here() -> dict[str, str]:
    """Return the versions that decide what a shard is; all nodes have to agree on them."""
    return {"endotwin": version("endotwin"), **installed_versions()}


class Worker:
    """Loads the checkpoint once and makes shards. Its methods are called from several threads at once."""

    def __init__(self, order: Order) -> None:
        """Take an order; nothing is loaded yet."""
        self._order = order
        self._device = ThreadPoolExecutor(1, "device")
        self._turn = threading.Lock()
        self._news = threading.Lock()
        self._images = 0
        self._notes: list[str] = []
        self._stopped = threading.Event()

    def start(self, checkpoint: bytes) -> Failure | None:
        """Check that this node can make the set, and load the checkpoint.

        Args:
            checkpoint: content of the file.

        Returns:
            None, or why it cannot.
        """
        order, here = self._order, versions_here()
        differences = [
            f"{name} {here[name]} instead of {wanted}"
            for name, wanted in order.versions.items()
            if here[name] != wanted
        ]
        if differences:
            return _said(SetError(f"it has {', '.join(differences)}; install the same everywhere"))
        try:
            self._destination = open_destination(
                order.place, order.settings, stop_if_asked=self._stop_if_asked, note=self._note
            )
            self._check_place()
            loaded = self._device.submit(self._load, checkpoint).result()
            self._generator = sampler_in(self._device, loaded, resolve_device(order.settings.device))
        except (CheckpointError, SettingsError) as error:
            return _said(SetError(str(error)))
        except (SetError, StorageError) as error:
            return _said(error)
        return None

    def make(self, shard: Shard) -> ShardRecord | Failure | None:
        """Make a shard and put it in place.

        Returns:
            Its record; None if somebody else has made it; or what went wrong.
        """
        order = self._order
        try:
            with ExitStack() as undo:
                with self._turn:
                    self._stop_if_asked()
                    if look_at(order.spec, shard, self._destination).record is not None:
                        return None
                    staged = undo.enter_context(self._destination.stage(shard.key))
                    record = write_staged(order.spec, shard, self._generator, staged, self._count)
                undo.pop_all()
            return publish_staged(order.spec, shard, self._destination, staged, record)
        except (SetError, StorageError) as error:
            return _said(error)

    def news(self) -> News:
        """Return what happened since the last call."""
        with self._news:
            news = News(self._images, tuple(self._notes))
            self._images = 0
            self._notes.clear()
        return news

    def stop(self) -> None:
        """End the work that goes on, in a state in which nothing is left half."""
        self._stopped.set()

    def _check_place(self) -> None:
        """Check that this node sees the place that the driver has marked as the set's."""
        stored = self._destination.stat(SPEC_KEY)
        if stored is None or stored.record is None or stored.record.set_digest != self._order.spec.digest:
            raise SetError(
                f"it does not see {SPEC_KEY} of this set in {self._order.place}. A folder has to be one "
                "that all nodes share, at the same path; for S3 the AWS variables of all nodes have to "
                "lead to the same server"
            )

    def _load(self, content: bytes) -> Checkpoint:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{self._order.spec.model}{SUFFIX}"
            path.write_bytes(content)
            loaded = load_checkpoint(path, require_fid=False)
        if loaded.generator_sha256 != self._order.spec.generator_sha256:
            raise SetError(f"the checkpoint that came has digest {loaded.generator_sha256}: it was changed")
        return loaded

    def _count(self, images: int) -> None:
        self._stop_if_asked()
        with self._news:
            self._images += images

    def _note(self, text: str) -> None:
        with self._news:
            self._notes.append(f"{_here()}: {text}")

    def _stop_if_asked(self) -> None:
        if self._stopped.is_set():
            raise WorkerStopped


class WorkerStopped(Exception):  # noqa: N818 (nothing is wrong)
    """The driver has ended the run."""


def _said(error: Failure) -> Failure:
    """Return an error that names the node, without what cannot be sent."""
    return type(error)(f"{_here()}: {error}")


def _here() -> str:
    return f"worker on {socket.gethostname()}"
