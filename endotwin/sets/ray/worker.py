"""A worker of a Ray cluster: what runs in its process. It does not import Ray."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from endotwin import __version__
from endotwin.checkpoint_files import CHECKPOINT_SUFFIX
from endotwin.generator.batch import BatchMaker
from endotwin.generator.card_file import CheckpointError
from endotwin.generator.checkpoint import Checkpoint, load_checkpoint
from endotwin.generator.device import resolve_device
from endotwin.generator.sampler import sampler_in
from endotwin.generator.versions import installed_versions
from endotwin.sets.manifest import SetError
from endotwin.sets.plan import SPEC_KEY, Shard
from endotwin.sets.shard_maker import ShardMaker
from endotwin.sets.spec import SetSpec
from endotwin.sets.storage.destination import Destination, StorageError
from endotwin.sets.storage.open_destination import open_destination
from endotwin.sets.storage.place import Place
from endotwin.sets.storage.record import ShardRecord
from endotwin.settings import Settings, SettingsError

WorkerFailure = SetError | StorageError
"""What ends a run. Workers return it: raised, it would come with the traceback of another process."""


@dataclass(frozen=True)
class WorkerConfig:
    """What a worker needs beside the checkpoint's bytes.

    Attributes:
        spec: the set.
        place: where it goes. Credentials, endpoint and region come from the environment of each node.
        settings: of the driver, with the device that the worker is to use.
        versions: as `versions_here` returns them on the driver's machine.
    """

    spec: SetSpec
    place: Place
    settings: Settings
    versions: Mapping[str, str]


@dataclass(frozen=True)
class WorkerReport:
    """The state of a worker.

    Attributes:
        process: in which it runs: another after a restart.
        images: that it has generated for shards which are not in place yet.
        notes: lines of text for the user, since the last report.
    """

    process: str
    images: int
    notes: tuple[str, ...]


def versions_here() -> dict[str, str]:
    """Return the versions that decide the bytes of a shard; all nodes must have the same."""
    return {"endotwin": __version__, **installed_versions()}


class Worker:
    """Loads the checkpoint once and makes shards. Its methods are called from several threads at once."""

    def __init__(self, config: WorkerConfig) -> None:
        """Do next to nothing: Ray restarts a worker whose constructor ends its process for ever."""
        self._config = config
        self._device = ThreadPoolExecutor(1, "device")
        self._preparing = threading.Lock()
        self._maker: ShardMaker | None = None
        self._state = threading.Lock()
        self._images = 0
        self._notes: list[str] = []
        self._stopped = threading.Event()

    def make(
        self, shards: Sequence[Shard], checkpoint: bytes
    ) -> dict[Shard, ShardRecord | None] | WorkerFailure:
        """Make shards of one range and put them in place.

        Args:
            shards: which.
            checkpoint: content of the checkpoint's file.

        Returns:
            The record of each, None if another process has made it; or what went wrong.
        """
        try:
            with self._preparing:
                if self._maker is None:
                    self._maker = self._prepare(checkpoint)
            made = self._maker.make(shards)
        except (CheckpointError, SettingsError) as error:
            return SetError(f"{_node()}: {error}")
        except (SetError, StorageError) as error:
            return type(error)(f"{_node()}: {error}")  # without a cause, which may not be one to send
        self._count(-sum(shard.samples for shard, record in made.items() if record is not None))
        return made

    def report(self) -> WorkerReport:
        """Return the state of the worker."""
        with self._state:
            report = WorkerReport(f"{socket.gethostname()}:{os.getpid()}", self._images, tuple(self._notes))
            self._notes.clear()
        return report

    def stop(self) -> None:
        """End the work that is going on, so that nothing is left unfinished."""
        self._stopped.set()

    def _prepare(self, checkpoint: bytes) -> ShardMaker:
        """Check that this node can make the set, and load the checkpoint."""
        config, here = self._config, versions_here()
        differences = [
            f"{name} {here[name]} instead of {wanted}"
            for name, wanted in config.versions.items()
            if here[name] != wanted
        ]
        if differences:
            raise SetError(f"it has {', '.join(differences)}; install the same everywhere")
        destination = open_destination(
            config.place, config.settings, stop_if_asked=self._stop_if_asked, note=self._note
        )
        self._check_mark(destination)
        return ShardMaker(
            config.spec,
            destination,
            lambda: self._load(checkpoint),
            on_images=self._count,
            stop_if_asked=self._stop_if_asked,
        )

    def _check_mark(self, destination: Destination) -> None:
        """Check that this node sees the place that the driver has marked as the set's."""
        stored = destination.stat(SPEC_KEY)
        if stored is None or stored.record is None or stored.record.set_digest != self._config.spec.digest:
            raise SetError(
                f"it does not see {SPEC_KEY} of this set in {self._config.place}. A folder has to be one "
                "that all nodes share, at the same path; for S3 the AWS variables of all nodes have to "
                "lead to the same server"
            )

    def _load(self, content: bytes) -> BatchMaker:
        loaded = self._device.submit(self._load_checkpoint, content).result()
        return sampler_in(self._device, loaded, resolve_device(self._config.settings.device))

    def _load_checkpoint(self, content: bytes) -> Checkpoint:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{self._config.spec.model}{CHECKPOINT_SUFFIX}"
            path.write_bytes(content)
            loaded = load_checkpoint(path, require_fid=False)
        if loaded.generator_sha256 != self._config.spec.generator_sha256:
            raise SetError(
                f"the checkpoint that came has digest {loaded.generator_sha256}: it was changed meanwhile"
            )
        return loaded

    def _count(self, images: int) -> None:
        with self._state:
            self._images += images

    def _note(self, text: str) -> None:
        with self._state:
            self._notes.append(f"{_node()}: {text}")

    def _stop_if_asked(self) -> None:
        if self._stopped.is_set():
            raise WorkerStopped


class WorkerStopped(Exception):  # noqa: N818 (not an error)
    """The driver has ended the run."""


def _node() -> str:
    return f"worker on {socket.gethostname()}"
